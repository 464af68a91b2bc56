"""next: what a session is told to do, by path, and that many who ask at once are told apart."""
import os
import threading

import lib

MANY = 30


class Next(lib.Case):
    def setUp(self):
        super().setUp()
        for i in range(2 * MANY):
            self.m.task(f"t{i:02}", lane=f"l{i % 3}")
        self.m.write("0\n", "control/select/explore")

    def next(self, session):
        return self.m.read(f"sessions/{session}/next").strip()

    def test_many_who_read_at_once_and_then_claim_are_all_given_what_they_were_told(self):
        names = [f"s{i}" for i in range(MANY)]
        for name in names:
            self.m.session(name)
        refused, barrier = [], threading.Barrier(MANY)

        def work(name):
            task = self.next(name)
            barrier.wait(lib.PATIENCE)
            try:
                self.m.claim(name, task)
            except OSError as why:
                refused.append((name, task, why))

        threads = [threading.Thread(target=work, args=(name,)) for name in names]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(refused, [])
        self.assertEqual(len(self.m.ls("claims")), MANY)

    def test_who_explores_takes_its_first_task_from_a_lane_that_is_drawn_and_no_other(self):
        self.m.write("1\n", "control/select/explore")
        self.m.session("one")
        self.assertNotIn("\nexplore no\n", self.m.read("sessions/one/next.why"))
        task = self.next("one")
        self.m.claim("one", task)
        self.m.release("one", task)
        self.assertIn("\nexplore no\n", self.m.read("sessions/one/next.why"))

    def test_reading_is_no_event_and_the_size_is_that_of_the_text(self):
        self.m.session("one")
        before = self.m.read("events")
        for name in "next", "next.why":
            path = self.m.path("sessions/one", name)
            self.assertEqual(os.stat(path).st_size, len(self.m.read(path)))
        self.assertEqual(self.m.read("events"), before)

    def test_what_a_choice_is_made_of_follows_from_the_events(self):
        self.m.session("one")
        self.m.claim("one", "t00")
        self.m.finish("one", "t00")
        self.m.write("done\n", "sessions/one/outcome")
        self.m.stop()
        self.m.check()
