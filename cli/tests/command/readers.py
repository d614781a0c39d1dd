"""Reads exported files with other people's programs, and prints what they say: per format a list of [start ms, end ms, speaker].

readers.py FOLDER STEM: the files are FOLDER/STEM.csv, .srt and so on.
"""

import csv
import html
import json
import sys

import pysubs2
import webvtt
from praatio import textgrid
from pympi import Elan

folder, stem = sys.argv[1:]
path = lambda ending: f"{folder}/{stem}.{ending}"
ms = lambda seconds: round(float(seconds) * 1000)


def from_csv():
    with open(path("csv"), newline="", encoding="utf-8") as file:
        return [[ms(row["start"]), ms(row["end"]), row["speaker"]] for row in csv.DictReader(file)]


def from_srt():
    subtitles = pysubs2.load(path("srt"), encoding="utf-8", format_="srt")
    return [[line.start, line.end, line.plaintext] for line in subtitles]


def from_vtt():
    captions = webvtt.read(path("vtt"))
    assert all(caption.voice == caption.text for caption in captions)
    milliseconds = lambda time: sum(
        int(part) * factor for part, factor in zip(time.replace(".", ":").split(":"), (3_600_000, 60_000, 1000, 1))
    )
    # It leaves character references as they are written.
    return [[milliseconds(it.start), milliseconds(it.end), html.unescape(it.text)] for it in captions]


def from_audacity():
    with open(path("txt"), encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [[ms(start), ms(end), label] for start, end, label in rows]


def from_textgrid():
    grid = textgrid.openTextgrid(path("TextGrid"), includeEmptyIntervals=True)
    turns = []
    for name in grid.tierNames:
        entries = grid.getTier(name).entries
        assert entries[0].start == 0 and entries[-1].end == grid.maxTimestamp
        assert all(a.end == b.start for a, b in zip(entries, entries[1:])), "the intervals leave a gap"
        assert all(entry.label in ("", name) for entry in entries)
        turns += [[ms(entry.start), ms(entry.end), entry.label] for entry in entries if entry.label]
    return turns


def from_eaf():
    document = Elan.Eaf(path("eaf"))
    return [
        [start, end, value]
        for tier in document.get_tier_names()
        for start, end, value in document.get_annotation_data_for_tier(tier)
    ]


def from_label_studio():
    (task,) = json.load(open(path("label-studio.json"), encoding="utf-8"))
    (prediction,) = task["predictions"]
    assert all(it["type"] == "labels" and 0 <= it["score"] <= 1 for it in prediction["result"])
    values = [it["value"] for it in prediction["result"]]
    return [[ms(it["start"]), ms(it["end"]), label] for it in values for label in it["labels"]]


readers = [from_csv, from_srt, from_vtt, from_audacity, from_textgrid, from_eaf, from_label_studio]
print(json.dumps({reader.__name__.removeprefix("from_"): sorted(reader()) for reader in readers}))
