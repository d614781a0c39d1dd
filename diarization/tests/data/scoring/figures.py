"""Scores every pair of this folder with pyannote.metrics and writes figures.tsv beside it.

usage: pip install pyannote.metrics==4.2.0; python figures.py

The whole recording is scored, and each speaker's overlapping or touching segments are merged first
(Annotation.support), both as the Rust code does. Mind the collar: pyannote.metrics counts it from end to
end, this table on each side of a border.
"""

import pathlib

from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate, JaccardErrorRate

HERE = pathlib.Path(__file__).parent
EVERYTHING = Timeline([Segment(-10, 100_000)])
COLUMNS = ["total", "missed detection", "false alarm", "confusion", "correct", "diarization error rate"]


def load(path):
    annotation = Annotation()
    for track, line in enumerate(path.read_text().splitlines()):
        columns = line.split()
        if columns and columns[0] == "SPEAKER":
            start, duration = float(columns[3]), float(columns[4])
            annotation[Segment(start, start + duration), track] = columns[7]
    return annotation.support()


lines = ["reference\thypothesis\tcollar_each_side_s\tskip_overlap\treference_s\tmiss_s\tfalse_alarm_s"
         "\tconfusion_s\tcorrect_s\tder\tjer"]
for hypothesis in sorted(HERE.glob("*/*.rttm")):
    if hypothesis.parent.name == "reference":
        continue
    pair = load(HERE / "reference" / hypothesis.name), load(hypothesis)
    for collar in (0.0, 0.25):
        for skip_overlap in (False, True):
            options = {"collar": 2 * collar, "skip_overlap": skip_overlap}
            found = DiarizationErrorRate(**options)(*pair, uem=EVERYTHING, detailed=True)
            jer = JaccardErrorRate(**options)(*pair, uem=EVERYTHING)
            figures = [f"{found[column]:.9f}" for column in COLUMNS] + [f"{jer:.9f}"]
            names = [f"reference/{hypothesis.name}", f"{hypothesis.parent.name}/{hypothesis.name}"]
            lines.append("\t".join(names + [str(collar), str(skip_overlap).lower()] + figures))
(HERE / "figures.tsv").write_text("\n".join(lines) + "\n")
