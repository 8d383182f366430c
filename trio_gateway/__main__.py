"""`python -m trio_gateway` is `trio-gateway`."""

from trio_gateway.cli import main

if __name__ == "__main__":
    main()
