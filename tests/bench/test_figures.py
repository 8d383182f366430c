from trio_gateway.bench.figures import Figures, Sample, figures, percentile, table


def test_percentiles_are_the_nearest_rank() -> None:
    ordered = [float(value) for value in range(1, 101)]
    assert percentile(ordered, 0.5) == 50
    assert percentile(ordered, 0.99) == 99
    assert percentile(ordered, 0.999) == 100
    assert percentile([7.0], 0.5) == 7


def test_failures_count_and_have_no_part_in_the_times() -> None:
    found = figures([Sample(0.1, 0.2, 3), Sample(9, 9, 0, "status 500")], 2.0)
    assert (found.requests, found.failed, found.events) == (2, 1, 3)
    assert found.per_second == 0.5
    assert found.total_ms["p99.9"] == 200
    assert found.errors == {"status 500": 1}


def test_nothing_measured_is_no_figure() -> None:
    assert figures([], 1.0).first_ms == {"p50": None, "p90": None, "p99": None, "p99.9": None}


def test_two_endpoints_show_what_the_second_adds() -> None:
    direct: Figures = figures([Sample(0.001, 0.002)], 1.0)
    through = figures([Sample(0.0012, 0.0025)], 1.0)
    text = table({"direct": direct, "gateway": through})
    assert "+0.200" in text
    assert "+0.500" in text
    assert "added" not in table({"direct": direct})
