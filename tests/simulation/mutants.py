"""Safeguards, and how to break each of them: what `scripts/simulate-mutants` tries on a scratch copy."""

from dataclasses import dataclass
from pathlib import Path

CORE = "src/tcu_agent/core"


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands in the file exactly once, and becomes `new`."""

    name: str
    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Break the copy."""
        file = root / self.path
        source = file.read_text()
        if source.count(self.old) != 1:
            raise ValueError(f"{self.path} has changed: the mutant {self.name!r} fits no more")
        file.write_text(source.replace(self.old, self.new))


MUTANTS = (
    Mutant(
        "a used challenge stays good",
        f"{CORE}/verify/challenges.py",
        "        del self._live[nonce]\n\n    def clear",
        "        self._live[nonce]\n\n    def clear",
    ),
    Mutant(
        "no age is ever too great",
        f"{CORE}/verify/challenges.py",
        "        return 0 <= now - self.issued_at <= min(self.challenge.ttl_s, max_age_s)",
        "        return True",
    ),
    Mutant(
        "whose key it is does not matter",
        f"{CORE}/verify/steps.py",
        "        demand(allowed, Reason.WRONG_ROLE, detail)  # E4\n",
        "",
    ),
    Mutant(
        "signatures are not looked at",
        "src/tcu_agent/protocol/cose.py",
        "    if not key.is_signature(envelope.signature, data):\n",
        '    if not key.is_signature(envelope.signature, data) and data == b"":\n',
    ),
    Mutant(
        "the intent of a direct unlock is not made durable",
        f"{CORE}/unlock/unlock.py",
        "        self._job = job\n        step.put(records.UNLOCK, intent.to_bytes())\n",
        "        self._job = job\n",
    ),
    Mutant(
        "an unlock cut off by a restart is forgotten",
        f"{CORE}/unlock/unlock.py",
        '        self._store(step, intent, outcome, Reason.RESTARTED, since=float("inf"))\n',
        "        step.put(records.UNLOCK, None)\n",
    ),
    Mutant(
        "an outcome is stored but never reported",
        f"{CORE}/reports/journal.py",
        "        self._append(step, result)\n",
        "",
    ),
    Mutant(
        "executed as soon as the frame is sent",
        f"{CORE}/unlock/unlock.py",
        "        if preconditions.all_are(self._seen(job.sent_at), LockState.UNLOCKED):",
        "        if step.now >= job.sent_at:",
    ),
    Mutant(
        "an armed unlock outlives a new owner or PIN",
        f"{CORE}/unlock/unlock.py",
        "        self._end(step, trigger, Outcome.CANCELLED, Reason.GENERATION_CHANGED)\n",
        "",
    ),
    Mutant(
        "the plate's window has no end",
        f"{CORE}/unlock/unlock.py",
        "        until = step.now + (grant.parameters.window_s or 0) if is_armed else grant.expires_at\n",
        "        until = step.now + 3600 if is_armed else grant.expires_at\n",
    ),
    Mutant(
        "a re-lock without an executed unlock",
        f"{CORE}/unlock/unlock.py",
        "        if outcome is Outcome.EXECUTED:\n            permission",
        "        if outcome is not Outcome.REFUSED:\n            permission",
    ),
    Mutant(
        "a re-lock is tried again after a restart",
        f"{CORE}/unlock/relock.py",
        "        if record.is_attempted:\n",
        "        if record.due_at < 0:\n",
    ),
    Mutant(
        "tracking goes on after its stop time",
        f"{CORE}/position/position.py",
        "        if step.now >= job.until:\n",
        "        if step.now >= job.until + 60:\n",
    ),
    Mutant(
        "tracking starts its time again at a restart",
        f"{CORE}/position/position.py",
        "        left_s = record.provable_s(boot_session=self._boot_session, now=step.now, wall=step.wall)\n",
        "        left_s = record.parameters.duration_s\n",
    ),
    Mutant(
        "a wall clock that nothing keeps right is believed",
        "src/tcu_agent/runtime/surroundings.py",
        "        if not self.clock.is_synchronised():\n            return None\n",
        "        return self.clock.wall()\n",
    ),
    Mutant(
        "that a clock ran ahead is stored with the next fix only",
        f"{CORE}/position/position.py",
        "        if job.least_wall.is_news:\n",
        "        if job.least_wall.is_news and job.until < 0:\n",
    ),
    Mutant(
        "a lock that moves is where it was",
        f"{CORE}/unlock/unlock.py",
        " and not self._is_settled(job):\n",
        " and job.until < 0:\n",
    ),
    Mutant(
        "the broker's acknowledgement is taken for the centre's",
        "src/tcu_agent/runtime/outbox.py",
        "        is_unheard = any(await asyncio.gather(*(publish(each) for each in signed)))\n",
        "        is_unheard = any(await asyncio.gather(*(publish(each) for each in signed)))\n"
        "        for each in messages:\n            self._state.commit(puts={}, acknowledged=each.seq)\n",
    ),
    Mutant(
        "what was sent is not sent again",
        "src/tcu_agent/runtime/outbox.py",
        "        self._sent_up_to = 0\n        self._unacknowledged.clear()\n",
        "        self._unacknowledged.clear()\n",
    ),
    Mutant(
        "events are not made durable",
        f"{CORE}/step.py",
        "append=tuple(self.appended)",
        'append=tuple(each for each in self.appended if hasattr(each, "outcome"))',
    ),
    Mutant(
        "a frame is sent twice while another request waits",
        f"{CORE}/agent.py",
        "        return self._finish(step)\n\n    def next_deadline",
        "        effects = self._finish(step)\n"
        "        if len(self._parts.challenges):\n"
        "            effects = tuple(\n"
        "                each\n"
        "                for effect in effects\n"
        '                for each in [effect] * (1 + (type(effect).__name__ == "TransmitUnlock"))\n'
        "            )\n"
        "        return effects\n\n    def next_deadline",
    ),
)
