"""Four formats for a store of songs on disk, side by side: what one song costs, and what memory all of them need.

The songs are those of music21's book "erk" as ids and clocks, again and again until there are 100,000. Each format
writes them, then a process of its own opens them and reads 10,000 songs in a random order. Arrow, Parquet and
`datasets` are measured where they are installed (pip install pyarrow datasets); the project needs none of them.
"""

import importlib.util
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from helpers.corpus import load_essen
from helpers.exported import from_notebook

SONGS, READ = 100_000, 10_000


def columns():
    """ids and clocks of all songs one after the other, and where each begins."""
    lstm = from_notebook("03-lstm")
    songs = [song.in_c() for song in load_essen("erk").songs]
    data = lstm.note_data(songs, lstm.note_alphabet(songs)[0])
    order = [k % len(songs) for k in range(SONGS)]
    ids = np.concatenate([data.songs[k].numpy() for k in order]).astype(np.int16)
    clocks = np.concatenate([np.pad(data.columns[k].numpy(), ((0, 1), (0, 0))) for k in order]).astype(np.int16)
    return ids, clocks, np.cumsum([0] + [len(data.songs[k]) for k in order])


def table(ids, clocks, starts):
    """One row a song, as an Arrow table."""
    import pyarrow

    lists = lambda values, offsets: pyarrow.LargeListArray.from_arrays(offsets, values)
    return pyarrow.table({"ids": lists(ids, starts), "clocks": lists(clocks.ravel(), starts * 3)})


def write(kind, path, ids, clocks, starts):
    if kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"ids": ids, "clocks": clocks, "starts": starts}, path)
    elif kind == "Arrow":
        import pyarrow

        with (
            pyarrow.OSFile(str(path), "wb") as file,
            pyarrow.ipc.new_file(file, (t := table(ids, clocks, starts)).schema) as out,
        ):
            out.write_table(t, max_chunksize=1000)
    elif kind == "Parquet":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table(ids, clocks, starts), path, row_group_size=1000)
    else:
        import datasets

        datasets.disable_progress_bars()
        datasets.Dataset(table(ids, clocks, starts)).save_to_disk(str(path))


def reader(kind, path):
    """A function number -> ids and clocks of this song, as torch tensors."""
    if kind == "safetensors":
        from safetensors import safe_open

        file = safe_open(path, "pt")
        starts, ids, clocks = file.get_tensor("starts"), file.get_slice("ids"), file.get_slice("clocks")
        return lambda k: (ids[starts[k] : starts[k + 1]], clocks[starts[k] : starts[k + 1]])
    if kind == "datasets":
        import datasets

        data = datasets.load_from_disk(str(path)).with_format("numpy")
        return lambda k: [torch.from_numpy(np.array(data[k][name])) for name in ("ids", "clocks")]
    import pyarrow
    import pyarrow.parquet

    if kind == "Parquet":
        file = pyarrow.parquet.ParquetFile(path, memory_map=True)

        def read(k):
            row = file.read_row_group(k // 1000).slice(k % 1000, 1)
            return [torch.from_numpy(row[n].combine_chunks()[0].values.to_numpy().copy()) for n in ("ids", "clocks")]

        return read
    rows = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
    return lambda k: [torch.from_numpy(rows[n][k].values.to_numpy().copy()) for n in ("ids", "clocks")]


def measured(kind, path, answer):
    """Seconds to open, microseconds a song, and MB of memory that reading added, mapped pages of the file included."""
    memory = lambda: int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6  # Linux
    since = time.perf_counter()
    read = reader(kind, path)
    read(0)
    opened, before = time.perf_counter() - since, memory()
    some = READ if kind in ("safetensors", "Arrow") else READ // 20
    order = torch.randint(SONGS, (some,), generator=torch.Generator().manual_seed(0)).tolist()
    since = time.perf_counter()
    total = sum(int(read(k)[0].long().sum()) for k in order)
    answer.put((opened, (time.perf_counter() - since) / some * 1e6, memory() - before, total))


def main():
    data = columns()
    print(f"{SONGS:,} songs, {sum(part.nbytes for part in data) / 1e6:.0f} MB of numbers")
    context, results = multiprocessing.get_context("spawn"), {}
    for kind in ("safetensors", "Arrow", "Parquet", "datasets"):
        if importlib.util.find_spec("datasets" if kind == "datasets" else "pyarrow") is None and kind != "safetensors":
            print(f"{kind}: not installed")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "store"
            since = time.perf_counter()
            write(kind, path, *data)
            wrote = time.perf_counter() - since
            size = sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*.*"))) / 1e6
            answer = context.Queue()
            process = context.Process(target=measured, args=(kind, path, answer))
            process.start()
            opened, each, memory, _ = answer.get()
            process.join()
        results[kind] = {
            "MB": round(size),
            "write s": round(wrote, 2),
            "open s": round(opened, 2),
            "µs a song": round(each),
        }
        results[kind]["MB of memory more"] = round(memory)
        print(f"{kind}: {json.dumps(results[kind], ensure_ascii=False)}")
    return results


if __name__ == "__main__":
    sys.exit(not main())
