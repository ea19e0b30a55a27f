"""What is read of the ledger's own measurement."""

from bench import programs

PRINTED = """\
pgbench TPC-B, 16 clients             4065/s   1.00 x
deposits, 1 callers x 1                321/s   0.08 x  p50    3.1 ms  p99    4.0 ms   ledger 1957
deposits, 64 callers x 1              2317/s   0.57 x  p50   24.8 ms  p99   67.3 ms   ledger  437
deposits, 4 callers x 500            11456/s   2.82 x  p50  171.4 ms  p99  240.5 ms   ledger   56
between users, 64 callers x 1         1916/s   0.47 x  p50   29.1 ms  p99   69.1 ms   ledger  515
between users, 4 callers x 500        7502/s   1.85 x  p50  260.1 ms  p99  348.2 ms   ledger   84
every invariant holds
"""


def test_the_lower_of_both_kinds_counts() -> None:
    assert programs.beside_pgbench(PRINTED) == {"ledger.single": 0.47, "ledger.listed": 1.85}
