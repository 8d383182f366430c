"""What each exchange used."""
