"""The pool of idle connections, alone and against a model of it."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trio_gateway.transport.pool import Pool

INF = float("inf")


def test_the_newest_goes_out_first_and_each_origin_has_its_own() -> None:
    pool: Pool[str, int] = Pool(INF, 10)
    for connection in (1, 2, 3):
        assert pool.put("a", connection, 0) == []
    pool.put("b", 4, 0)
    assert [pool.take("a", 0) for _ in range(4)] == [3, 2, 1, None]
    assert pool.take("b", 0) == 4
    assert pool.take("c", 0) is None
    assert len(pool) == 0


def test_what_has_been_idle_for_too_long_is_not_used_and_is_given_up() -> None:
    pool: Pool[str, int] = Pool(10, 10)
    pool.put("a", 1, 0)
    pool.put("b", 2, 3)
    pool.put("a", 3, 6)
    assert pool.expire(9.9) == []
    assert pool.expire(10) == [1]
    assert pool.take("b", 13) is None
    assert pool.expire(13) == [2]
    assert pool.take("a", 15.9) == 3


def test_beyond_the_bound_the_one_idle_for_longest_makes_room_whatever_its_origin() -> None:
    pool: Pool[str, int] = Pool(INF, 2)
    pool.put("a", 1, 0)
    pool.put("b", 2, 1)
    assert pool.put("b", 3, 2) == [1]
    assert pool.put("c", 4, 3) == [2]
    assert pool.take("a", 4) is None
    assert pool.take("b", 4) == 3


def test_a_pool_of_none_and_a_closed_pool_give_everything_back() -> None:
    assert Pool[str, int](INF, 0).put("a", 1, 0) == [1]
    pool: Pool[str, int] = Pool(INF, 2)
    pool.put("a", 1, 0)
    assert pool.close() == [1]
    assert pool.put("a", 2, 0) == [2]
    assert repr(pool) == "<Pool of 0 idle, closed>"


class PoolMachine(RuleBasedStateMachine):
    """Whatever is done: nothing is lost, nothing is in two places, nothing expired is handed out."""

    idle_s, idle_max = 10.0, 4

    def __init__(self) -> None:
        super().__init__()
        self.pool: Pool[int, int] = Pool(self.idle_s, self.idle_max)
        self.model: list[tuple[int, int, float]] = []  # key, connection, since; oldest first
        self.now = 0.0
        self.made = 0

    @rule(s=st.sampled_from([0.0, 0.1, 3.0, 9.9, 10.0]))
    def wait(self, s: float) -> None:
        self.now += s

    @rule(key=st.integers(0, 2))
    def put(self, key: int) -> None:
        self.made += 1
        evicted = self.pool.put(key, self.made, self.now)
        if len(self.model) >= self.idle_max:
            assert len(evicted) == 1
            gone = next(entry for entry in self.model if entry[1] == evicted[0])
            assert gone[2] == self.model[0][2]
            self.model.remove(gone)
        else:
            assert evicted == []
        self.model.append((key, self.made, self.now))

    @rule(key=st.integers(0, 2))
    def take(self, key: int) -> None:
        mine = [entry for entry in self.model if entry[0] == key and entry[2] + self.idle_s > self.now]
        taken = self.pool.take(key, self.now)
        assert taken == (mine[-1][1] if mine else None)
        self.model = [entry for entry in self.model if entry[1] != taken]

    @rule()
    def expire(self) -> None:
        expired = {entry[1] for entry in self.model if entry[2] + self.idle_s <= self.now}
        given_up = self.pool.expire(self.now)
        assert set(given_up) == expired
        assert len(given_up) == len(expired)
        self.model = [entry for entry in self.model if entry[1] not in expired]

    @invariant()
    def counts(self) -> None:
        assert len(self.pool) == len(self.model)


TestPoolMachine = PoolMachine.TestCase
