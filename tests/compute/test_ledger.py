import gc
import threading

import pytest

from neural_style.compute.ledger import Ledger

MEMORIES = ("CPU", "GPU:0")


@pytest.fixture
def ledger():
    return Ledger()


@pytest.mark.parametrize("memory", MEMORIES)
def test_nothing_is_outstanding_at_first(ledger, memory):
    assert ledger.outstanding(memory, 0) == ledger.outstanding(memory, 10**9) == 0
    assert not ledger.knows(memory)


@pytest.mark.parametrize("memory", MEMORIES)
def test_what_is_reserved_and_not_taken_is_outstanding(ledger, memory):
    session = ledger.reserve(memory, 500, in_use=100)
    assert [ledger.outstanding(memory, in_use) for in_use in (100, 250, 600, 900)] == [500, 350, 0, 0]
    assert ledger.outstanding(memory, 50) == 500  # never more than was reserved
    session.release()
    assert ledger.outstanding(memory, 100) == 0


def test_each_memory_has_an_account_of_its_own(ledger):
    sessions = [ledger.reserve("GPU:0", 500, in_use=0)]
    assert ledger.outstanding("GPU:0", 0) == 500
    assert ledger.outstanding("GPU:1", 0) == ledger.outstanding("CPU", 0) == 0
    assert ledger.knows("GPU:0") and not ledger.knows("CPU")
    sessions.clear()
    assert ledger.knows("GPU:0")  # still, since something ran there


def test_what_a_session_holds_already_is_taken(ledger):
    session = ledger.reserve("CPU", 500, in_use=1000)  # the process uses 1200, of which the session holds 200
    assert ledger.outstanding("CPU", 1200) == 300
    session.release()


def test_sessions_add_up(ledger):
    first = ledger.reserve("CPU", 500, in_use=100)
    second = ledger.reserve("CPU", 300, in_use=400)  # the first has taken 300
    assert ledger.outstanding("CPU", 400) == 200 + 300
    assert ledger.outstanding("CPU", 650) == 250
    first.release()  # which frees what it has taken
    assert ledger.outstanding("CPU", 100) == 300
    second.release()
    assert ledger.outstanding("CPU", 100) == 0


def test_what_others_take_is_not_held_for_a_session_for_ever(ledger):
    """10 are reserved and taken, and 90 go elsewhere; the next reservation is outstanding in full all the same."""
    first = ledger.reserve("CPU", 10, in_use=0)
    assert ledger.outstanding("CPU", 100) == 0
    second = ledger.reserve("CPU", 50, in_use=100)
    assert ledger.outstanding("CPU", 100) == 50
    first.release()
    second.release()


def test_a_later_session_begins_where_the_process_is_then(ledger):
    ledger.reserve("CPU", 500, in_use=100).release()
    session = ledger.reserve("CPU", 500, in_use=900)
    assert ledger.outstanding("CPU", 900) == 500
    session.release()


# --- the end of a session ---------------------------------------------------------------------------------------------


def test_released_once_only(ledger):
    first, second = (ledger.reserve("CPU", size, in_use=0) for size in (1, 20))
    first.release()
    first.release()
    assert ledger.outstanding("CPU", 0) == 20
    second.release()


def test_released_at_the_end_of_a_block(ledger):
    with ledger.reserve("CPU", 5, in_use=0):
        assert ledger.outstanding("CPU", 0) == 5
    assert ledger.outstanding("CPU", 0) == 0


def test_released_by_an_exception(ledger):
    with pytest.raises(KeyError), ledger.reserve("CPU", 5, in_use=0):
        raise KeyError
    assert ledger.outstanding("CPU", 0) == 0


def test_released_when_nothing_refers_to_it(ledger):
    session = ledger.reserve("CPU", 5, in_use=0)
    assert ledger.outstanding("CPU", 0) == 5
    del session
    gc.collect()
    assert ledger.outstanding("CPU", 0) == 0


def test_released_by_garbage_collection_of_a_cycle(ledger):
    class Session:
        pass

    session = Session()
    session.itself, session.reservation = session, ledger.reserve("CPU", 5, in_use=0)
    del session
    gc.collect()
    assert ledger.outstanding("CPU", 0) == 0


def test_released_by_an_abandoned_generator(ledger):
    def steps():
        with ledger.reserve("CPU", 5, in_use=0):
            yield 1
            yield 2

    running = steps()
    next(running)
    assert ledger.outstanding("CPU", 0) == 5
    del running
    gc.collect()
    assert ledger.outstanding("CPU", 0) == 0


def test_a_release_does_not_wait_for_the_lock(ledger):
    """Garbage may be collected while it is held."""
    session = ledger.reserve("CPU", 5, in_use=0)
    held, done = threading.Event(), threading.Event()

    def hold():
        with ledger.lock:
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    session.release()  # which would wait for ever
    done.set()
    thread.join()
    assert ledger.outstanding("CPU", 0) == 0


# --- threads ----------------------------------------------------------------------------------------------------------


def test_sessions_in_threads_never_reserve_more_than_there_is(ledger):
    """Of 100 free bytes, each of 40 sessions takes half of what is left; holding the lock, none sees the same bytes."""
    sessions, errors = [], []

    def plan():
        with ledger.lock:
            free = 100 - ledger.outstanding("CPU", 0)
            sessions.append(ledger.reserve("CPU", free // 2, in_use=0))
            if ledger.outstanding("CPU", 0) > 100:
                errors.append(free)

    threads = [threading.Thread(target=plan) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert ledger.outstanding("CPU", 0) == 50 + 25 + 12 + 6 + 3 + 2 + 1
    sessions.clear()
    gc.collect()
    assert ledger.outstanding("CPU", 0) == 0


def test_many_threads_reserve_and_release(ledger):
    def work():
        for size in range(1, 200):
            with ledger.reserve("CPU", size, in_use=0):
                assert ledger.outstanding("CPU", 0) >= size

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.outstanding("CPU", 0) == 0


def test_the_first_look_at_a_memory_is_remembered(ledger):
    assert ledger.first_free("GPU:0", 80) == 80
    assert ledger.first_free("GPU:0", 3) == 80
    assert ledger.first_free("GPU:1", 5) == 5
    assert not ledger.knows("GPU:0")


def test_what_the_process_keeps_of_a_session_is_for_the_next_one():
    ledger, in_use = Ledger(), [1000]
    first = ledger.reserve("CPU", 600, in_use[0], lambda: in_use[0])
    in_use[0] = 1500  # it takes 500
    assert ledger.reusable("CPU", in_use[0]) == 0
    first.release()  # and the process gives none back
    assert ledger.reusable("CPU", in_use[0]) == 500
    in_use[0] += 6000  # which something else takes
    assert ledger.reusable("CPU", in_use[0]) == 500
    second = ledger.reserve("CPU", 400, in_use[0], lambda: in_use[0])
    assert ledger.outstanding("CPU", in_use[0]) == 0  # it takes what is kept first
    assert ledger.reusable("CPU", in_use[0]) == 100
    second.release()
    assert ledger.reusable("CPU", in_use[0]) == 500
    assert ledger.reusable("CPU", 1100) == 0  # given back meanwhile
