"""Parsing the output of the ledger's and the lists' own measurements."""

from bench import programs
from bench.ledger import Figures

PRINTED = """\
pgbench TPC-B, 16 clients             4065/s   1.00 x
deposits, 1 callers x 1                321/s   0.08 x  p50    3.1 ms  p99    4.0 ms   ledger 1957
deposits, 64 callers x 1              2317/s   0.57 x  p50   24.8 ms  p99   67.3 ms   ledger  437
deposits, 4 callers x 500            11456/s   2.82 x  p50  171.4 ms  p99  240.5 ms   ledger   56
between users, 64 callers x 1         1916/s   0.47 x  p50   29.1 ms  p99   69.1 ms   ledger  515
between users, 4 callers x 500        7502/s   1.85 x  p50  260.1 ms  p99  348.2 ms   ledger   84
every invariant holds
"""


def test_lower_ratio_of_both_kinds_of_transfers_counts() -> None:
    assert programs.beside_pgbench(PRINTED) == {"ledger.single": 0.47, "ledger.listed": 1.85}


def test_ratio_to_pgbench_is_parsed_from_printed_lines() -> None:
    figures = Figures(
        name="deposits, 64 callers x 1", rate=1000, beside=4000, seconds=[0.1], cpu={"ledger": 400}
    )
    listed = Figures(name="deposits, 4 callers x 500", rate=8000, beside=4000, seconds=[0.1])

    found = programs.beside_pgbench(f"{figures.line()}\n{listed.line()}\n")

    assert found == {"ledger.single": 0.25, "ledger.listed": 2.0}


def test_worst_ratio_of_all_lists_counts() -> None:
    lines = [
        "ratio 1.10: 8.0 and 8.8 ms, 20/20 orders: all",
        "ratio 2.50: 4.0 and 10.0 ms, 0/0 orders: x",
    ]
    found = "\n".join(["10000 orders written in 1 s", *lines, "list routes at 10000: worst 2.50"])

    told = programs.told_of_lookups(found)

    assert told.figures == {"lookups.ratio": 2.5}
    assert told.lines == lines
