"""Views of state: changes are merged or dropped; the parent changes only on a merge."""

from devnet.chain.state import Entries, Entry, View


def test_a_dropped_view_leaves_nothing() -> None:
    entries = Entries()
    entries.load([(b"a", Entry(b"1"))])
    view = View(entries, sequence=2)

    child = view.child()
    child.put(b"a", Entry(b"2"))
    child.delete(b"a")

    assert child.get(b"a") is None
    assert view.get(b"a") == Entry(b"1")


def test_a_merged_view_counts_and_is_stamped() -> None:
    view = View(Entries(), sequence=7)
    child = view.child()
    child.put(b"a", Entry(b"2"))

    view.merge(child)

    assert view.get(b"a") == Entry(b"2", modified=7)


def test_deletions_reach_the_ledger() -> None:
    entries = Entries()
    entries.load([(b"a", Entry(b"1")), (b"b", Entry(b"1"))])
    view = View(entries, sequence=2)
    view.delete(b"a")

    entries.apply(view.changes)

    assert entries.get(b"a") is None
    assert len(entries) == 1
