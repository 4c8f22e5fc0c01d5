"""How well, how fast and at what cost speech is understood: `make bench-voice`.

First recordings of two synthetic voices in this process, by Silero's detector, PocketSphinx and Whisper,
clean and with pink noise 20 and 10 dB below the speech: word error rates of the last partial and of the final
text, time from the first sound to the first partial and from the last sound to the final text, and CPU time.
Those without noise are sent as fast as they are spoken. Then sessions in the running system, with a backend
in another process: CPU time per frame, barge-in, and a backend that is killed in the middle of an utterance.
"""

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

from bench import voice_recognition, voice_sessions
from bench.contestants import ROOT

RECORDINGS = ROOT / "tests" / "voice_service" / "recordings"


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=RECORDINGS, help="recordings and their sentences.tsv")
    parser.add_argument("--sessions", type=int, default=20, help="sessions that speak at once")
    parser.add_argument("--seconds", type=float, default=20, help="how long they are measured")
    parser.add_argument("--barge-ins", type=int, default=5, help="how often an answer is cut off")
    given = parser.parse_args()
    every = voice_recognition.recordings(given.data)
    print(f"load before: {os.getloadavg()[0]:.1f}", flush=True)
    asyncio.run(voice_recognition.measure(every))
    with tempfile.TemporaryDirectory(prefix="vestibule-bench-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # Postgres may run as a user of its own.
        with voice_sessions.running(folder) as system:
            asyncio.run(voice_sessions.measure_sessions(system, every, given.sessions, given.seconds))
            asyncio.run(voice_sessions.measure_barge_in(system, every[0], given.barge_ins))
            asyncio.run(voice_sessions.measure_kill(system, every[1]))
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
