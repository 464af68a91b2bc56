"""Clocks that step, machines that sleep, daemons that stand still: no lease ends early,
and none lives for ever.

What is measured is time itself, by this process's own monotonic clock; so these
tests wait a second or two, and are never asked for an exact moment.
"""
import glob
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import lib
from lib import value
from live import Processes

# CLOCK_BOOTTIME is ahead by as many ms as a file says; the other clocks are right.
# So it is after a suspend. (A timer that is set to a moment must know as well.)
SHIM = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static long long ahead(void)
{
	char text[32] = "";
	int fd = open(getenv("AHEAD_FILE"), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	return atoll(text);
}

static void add(struct timespec *t, long long ms)
{
	long long ns = t->tv_nsec + t->tv_sec * 1000000000LL + ms * 1000000;

	t->tv_sec = ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
}

int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);

	if (r == 0 && id == CLOCK_BOOTTIME)
		add(t, ahead());
	return r;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	struct itimerspec when = *value;
	long long ms = ahead();

	if (flags & TFD_TIMER_ABSTIME && when.it_value.tv_sec * 1000LL > ms)
		add(&when.it_value, -ms);
	else if (flags & TFD_TIMER_ABSTIME && (when.it_value.tv_sec || when.it_value.tv_nsec))
		when.it_value = (struct timespec){ 0, 1 };
	return (int)syscall(SYS_timerfd_settime, fd, flags, &when, old);
}
"""


# libfaketime moves timers to the stepped wall clock, also those of another clock.
TIMER_ONLY = r"""
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec *value, struct itimerspec *old)
{
	return (int)syscall(SYS_timerfd_settime, fd, flags, value, old);
}
"""


class Clock(Processes):
    """Tasks with short leases; what the wall clock in the log says is not asked."""

    def setUp(self):
        self.m = lib.Mount(env=self.environment())
        self.addCleanup(self._end)
        self.m.session("a"), self.m.session("b")

    def environment(self):
        return {}

    def shim(self, code):
        """A library to be loaded before the others."""
        lib.need_tool("gcc")
        if "asan" in lib.COORDFS or "tsan" in lib.COORDFS:
            raise unittest.SkipTest("a sanitizer's build has its own way of preloading")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="coordfs-clock-"))
        self.addCleanup(shutil.rmtree, self.dir)
        (self.dir / "shim.c").write_text(code)
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", self.dir / "shim.so", self.dir / "shim.c"],
                       check=True)
        return str(self.dir / "shim.so")

    def put(self, name, text):
        """A file's text, at once the whole of it; its path."""
        (self.dir / f"{name}.new").write_text(text)
        os.rename(self.dir / f"{name}.new", self.dir / name)
        return str(self.dir / name)

    def held(self, task, ttl):
        """A claim by a; when it was asked for and when it was there, monotonic."""
        self.m.task(task, [task], ttl=ttl)
        began = time.monotonic()
        self.m.claim("a", task)
        return began, time.monotonic()

    def lost(self, task):
        """The moment at which the loss is known here: its end was before."""
        self.m.wait_event("lost", task=task)
        return time.monotonic()

    def assertHeld(self, task):
        self.assertEqual(self.m.events("lost", task=task), [])
        self.assertEqual(value(self.m.read("claims", task), "session"), "a")

    def pass_time(self, seconds):
        """Time is what is tested: it has to pass."""
        select.select([], [], [], seconds)

    def work(self, n=5):
        """Others do something: what is due would end now."""
        for i in range(n):
            self.m.task(f"w{time.monotonic_ns()}.{i}")

    def assertEndsInTime(self, task, began, ttl):
        """Not before its length, and it does end."""
        self.assertGreaterEqual(self.lost(task) - began, ttl)


class Wall(Clock):
    """The wall clock steps by a day while the daemon runs (libfaketime)."""

    def environment(self):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise unittest.SkipTest("there is no libfaketime here (package faketime)")
        shim = self.shim(TIMER_ONLY)
        return {"LD_PRELOAD": f"{shim} {found[0]}", "FAKETIME_TIMESTAMP_FILE": self.put("wall", "+0\n"),
                "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def step(self, by):
        self.put("wall", f"{by}\n")

    def wall(self):
        """What time it is for the daemon, by an event."""
        self.work(1)
        return self.m.events()[-1]["at"] / 1000

    def test_a_step_forward_and_back_moves_no_lease(self):
        m = self.m
        for i, by in enumerate(("+1d", "-1d", "+0")):
            with self.subTest(by):
                keep = f"keep{i}"
                began, _ = self.held(keep, "1h")
                short, _ = self.held(f"t{i}", "1s")
                self.step(by)
                days = {"+1d": 86400, "-1d": -86400, "+0": 0}[by]
                self.assertLess(abs(self.wall() - time.time() - days), 3600)  # it has stepped
                self.assertHeld(f"t{i}")
                self.assertEndsInTime(f"t{i}", short, 1)
                self.assertHeld(keep)
                self.assertLess(began, time.monotonic())
                os.utime(m.path("sessions", "b"))

    def test_what_is_shown_follows_the_clock_and_the_length_stays(self):
        self.held("t", "1h")
        self.step("-1d")
        text = self.m.read("claims", "t")
        at = [time.mktime(time.strptime(value(text, k), "%Y-%m-%dT%H:%M:%SZ")) for k in ("renewed", "expires")]
        self.assertLessEqual(abs(at[1] - at[0] - 3600), 1)

    def test_an_anchor_and_a_member_are_what_they_were_after_a_step(self):
        p = self.sleeper()
        self.anchor("a", p.pid)
        self.held("t", "300ms")
        self.step("+1d")
        self.leases_go_by(2)
        self.assertHeld("t")
        p.kill()
        self.m.wait_event("lost", task="t", reason="exited")


class Suspend(Clock):
    """The time since boot jumps ahead and no other clock does: the machine has slept."""

    def environment(self):
        shim = self.shim(SHIM)
        return {"LD_PRELOAD": shim, "AHEAD_FILE": self.put("ahead", "0\n")}

    def sleep(self, seconds):
        self.put("ahead", f"{1000 * seconds}\n")

    def test_who_is_alive_after_it_has_lost_nothing(self):
        m = self.m
        m.write("1h\n", "control", "lease")
        m.task("t"), m.task("u", ttl="10m")
        m.claim("a", "t"), m.claim("a", "u")
        tokens = [self.token(t) for t in ("t", "u")]
        self.sleep(7200)
        self.refused("EBUSY", m.claim, "b", "t")
        self.work()
        os.utime(m.path("sessions", "a"))  # it lost nothing: no EKEYEXPIRED
        self.assertHeld("t"), self.assertHeld("u")
        self.assertEqual([self.token(t) for t in ("t", "u")], tokens)
        self.sleep(7200 + 4)
        self.work()
        self.assertHeld("t")

    def test_who_is_not_loses_it_after_another_lease(self):
        self.held("t", "1500ms")
        self.sleep(7200)
        woke = time.monotonic()
        self.work()
        self.assertHeld("t")
        self.assertEndsInTime("t", woke, 1.5)

    def test_five_minutes_are_enough_for_a_long_lease(self):
        m = self.m
        self.held("t", "1h")
        self.sleep(7200)
        self.work()
        self.assertHeld("t")
        # 299 s more without sleep cannot be waited for here: what is shown must do
        text = m.read("claims", "t")
        left = time.mktime(time.strptime(value(text, "expires"), "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
        self.assertGreater(left, 280)
        self.assertLess(left, 3660)

    def test_idle_sessions_live_through_it(self):
        self.sleep(100000)
        self.work()
        self.assertEqual([self.state(s) for s in "ab"], ["live", "live"])

    def test_a_thousand_short_sleeps_make_no_lease_immortal(self):
        began, _ = self.held("t", "1s")
        n = 0
        while not self.m.events("lost", task="t"):
            n += 2
            self.sleep(n)
            self.work(1)
            if time.monotonic() > began + lib.PATIENCE:
                self.fail(f"after {n // 2} short sleeps it is still held")
            if n > 20:
                break  # it slept often enough; from now on it is awake
        self.assertEndsInTime("t", began, 1)


class Namespace(Clock):
    """A daemon that starts again where the time since boot is another."""

    def setUp(self):
        lib.need_root()
        self.argv = lib.unshare("-T", "--boottime", "3600")[:-1]
        super().setUp()

    def start_in(self, boottime):
        """The daemon starts in a time namespace of its own."""
        m = self.m
        done = subprocess.run([*self.argv, str(boottime), lib.COORDFS, "mount", str(m.dir), "--store", str(m.store)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        m.pid = int(lib.read(m.store / "owner").split()[1].rstrip(","))
        m.pidfd = os.pidfd_open(m.pid)

    def restart_in(self, boottime):
        self.m.kill9()
        self.start_in(boottime)

    def test_ahead_takes_nothing_and_behind_keeps_nothing_for_ever(self):
        uptime = float(lib.read("/proc/uptime").split()[0])
        for i, by in enumerate((86400, -int(uptime * 0.8), 0)):
            with self.subTest(by):
                self.held(f"keep{i}", "1h")
                self.held(f"t{i}", "1s")
                back = time.monotonic()
                self.restart_in(by)
                self.work()
                self.assertHeld(f"keep{i}")
                self.assertHeld(f"t{i}")
                # ahead: as after a suspend, it has all of its time again; else a tenth at least
                self.assertGreaterEqual(self.lost(f"t{i}") - back, 1 if by > 0 else 0.1)
                self.assertHeld(f"keep{i}")

    def test_processes_are_the_same_in_another_time(self):
        """The start time of a process is told by /proc in the reader's own time."""
        p, q = self.sleeper(), self.sleeper()
        self.anchor("a", p.pid)
        self.join("b", q.pid)
        self.held("t", "1h")
        self.restart_in(86400)
        self.work()
        self.assertEqual(self.state("a"), "live")
        self.assertHeld("t")
        self.assertEqual(self.procs("b"), [q.pid])
        p.kill()
        self.m.wait_event("lost", task="t", reason="exited")


class StandsStill(Clock):
    """The daemon is stopped, or away, for longer than a lease."""

    def stop(self):
        os.kill(self.m.pid, signal.SIGSTOP)
        self.addCleanup(self.go_on)

    def go_on(self):
        if self.m.pid:
            os.kill(self.m.pid, signal.SIGCONT)

    def test_stopped_takes_nothing_from_who_is_alive_afterwards(self):
        m = self.m
        self.held("t", "400ms"), self.held("keep", "1h")
        self.stop()
        beat = self.process(["touch", m.path("sessions", "a")], stderr=subprocess.PIPE, text=True)
        self.pass_time(6.5)
        self.go_on()
        self.assertEqual(beat.wait(lib.PATIENCE), 0, "it was told of a loss")
        self.assertHeld("t"), self.assertHeld("keep")
        self.m.wait_event("lost", task="t")  # and it is not immortal
        self.assertHeld("keep")

    def test_away_for_longer_than_a_lease_takes_nothing_at_once(self):
        m = self.m
        self.held("t", "1s"), self.held("keep", "1h")
        m.kill9()
        self.pass_time(1.3)
        m.start()
        os.utime(m.path("sessions", "a"))
        touched = time.monotonic()
        self.assertHeld("t")
        self.assertGreaterEqual(self.lost("t") - touched, 0.99)
        self.assertHeld("keep")

    def test_killed_again_and_again_makes_no_lease_immortal(self):
        m = self.m
        self.held("t", "1s")
        for _ in range(5):
            m.kill9()
            m.start()
        self.lost("t")

    def test_a_member_that_lives_keeps_it_through_all_of_that(self):
        m, p = self.m, self.sleeper()
        self.join("a", p.pid)
        self.held("t", "400ms")
        m.kill9()
        self.pass_time(0.8)
        m.start()
        self.leases_go_by(2)
        self.assertHeld("t")
        p.kill()
        self.m.wait_event("lost", task="t", reason="expired")


if __name__ == "__main__":
    unittest.main()
