"""From the click on Compose to a player that can sound, for sixteen bars, with the shipped networks.

A player has been shown before, as in every notebook and in the studio, so the engraver and the sound font are loaded.
Run: make bench, or python benchmarks/composer.py
"""

import time
from dataclasses import replace

from helpers.exported import from_notebook
from helpers.player import Player
from helpers.songs import Song
from helpers.widgets import Composer

wavenet = from_notebook("05-wavenet")
opening = replace(Song.from_tiny("4/4 G8 c4 d e c8 d e4"), pickup=0.5)
names = {"LSTM": "03-lstm", "WaveNet": "05-wavenet", "LSTM that points": "06-lstm", "network": "02-fnn"}
composer = Composer({name: wavenet.trained_writer(file, opening) for name, file in names.items()})
composer.start.value, composer.length.value = "4/4 G4 c d e", 64
Player(opening)
print(f"{'':16} first take  later ones   notes  bars")
for name in names:
    composer.model.value, seconds = name, []
    for seed in range(6):
        composer.seed.value = seed
        begin = time.perf_counter()
        composer.start_writing()
        composer.wait()
        seconds.append(time.perf_counter() - begin)
    songs = [written.song for written in composer.written]
    bars = sum(float(song.duration) for song in songs) / 4 / len(songs)
    notes = sum(len(song.events) for song in songs) / len(songs)
    print(f"{name:16} {seconds[0]:8.2f} s {sum(seconds[1:]) / 5:9.2f} s {notes:7.0f} {bars:5.0f}")
