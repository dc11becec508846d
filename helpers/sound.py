"""Songs as sound: samples played with a sound font, and MP3.

Notebook: all of them; first met in 01-markov.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import math
from collections.abc import Sequence
from pathlib import Path

import midirenderer
import numpy as np
import soundfile
import soxr
import symusic

from helpers.files import write_atomically
from helpers.midi import score_of
from helpers.songs import Song, voices_of

SAMPLE_RATE = 24_000  # samples per second: up to 12 kHz, enough for these instruments, and small


def to_audio(
    song: Song | Sequence[Song],
    tempo: float = 100,
    program: int | Sequence[int] = 0,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """The sound of a song: mono float32 samples in [-1, 1], shape (samples,), played with a sound font.

    The length is the song's own; the last note may ring on for 4 % of it, at most half a second.
    The synthesizer is rustysynth (through midirenderer): it plays every instrument of this sound font in tune,
    which symusic's does not (its piano C4 sounds at 831 Hz).

    Args:
        song: one Song or several voices.
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 (grand piano) to 127; one for all voices or one for each.
        sample_rate: samples per second.

    Raises:
        ValueError: as `to_midi`.

    Notebook: 07-sound; in all of them inside `play`.
    """
    voices = voices_of(song)
    score, duration = score_of(voices, tempo, program), float(voices.duration)
    seconds = duration * 60 / tempo
    tail = min(0.04 * seconds, 0.5)
    end = duration + 2 * tail * tempo / 60  # rendering stops at the last MIDI event, so put one later
    score.markers.append(symusic.TextMeta(math.ceil(end * score.ticks_per_quarter), "end"))
    wave = io.BytesIO(midirenderer.render_wave_from(_sound_font(), score.dumps_midi()))
    stereo, rate = soundfile.read(wave, dtype="float32")
    samples = soxr.resample(stereo.mean(1), rate, sample_rate)
    wanted = round((seconds + tail) * sample_rate)
    samples = np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))
    fade = max(1, round(tail * sample_rate))
    samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    loudest = np.abs(samples).max()
    return samples * np.float32(0.9 / loudest) if loudest > 0 else samples


def to_mp3(song: Song | Sequence[Song], path=None, tempo: float = 100, program: int | Sequence[int] = 0) -> bytes:
    """The sound of a song as an MP3 file.

    Args:
        song: one Song or several voices.
        path: file to write it to as well; none if None.
        tempo: quarter notes per minute.
        program: General MIDI instrument, 0 to 127; one for all voices or one for each.

    Raises:
        ValueError: as `to_midi`.

    Notebook: none: for your own songs; `play` carries the same sound.
    """
    data = mp3_of(to_audio(song, tempo, program))
    if path is not None:
        write_atomically(Path(path), data)
    return data


def mp3_of(samples: np.ndarray, sample_rate: int = SAMPLE_RATE) -> bytes:
    """Samples as an MP3 file in memory, about 5 kB a second.

    Args:
        samples: in [-1, 1], shape (samples,).
        sample_rate: samples per second.

    Notebook: 01-markov, inside `play`.
    """
    file = io.BytesIO()
    soundfile.write(file, samples, sample_rate, format="MP3", compression_level=0.75, bitrate_mode="CONSTANT")
    return file.getvalue()


@functools.lru_cache(maxsize=1)
def _sound_font() -> bytes:
    folder = Path(importlib.util.find_spec("pretty_midi").origin).parent  # found without importing it
    return (folder / "TimGM6mb.sf2").read_bytes()
