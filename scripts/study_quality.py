#!/usr/bin/env python3
"""Compares ways to paint: many pairs of a photograph and a style, judged by the features of the real VGG19."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from quality_study import comparison, methods, pairs, sheets
from quality_study.methods import METHODS, REFERENCE
from quality_study.pairs import Pair
from quality_study.results import Job, Results, Row

from neural_style.config.strength import USUAL
from neural_style.errors import NeuralStyleError, UsageError
from neural_style.files import write_atomically

NAME = Path(__file__).name


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=f"{__doc__} Pictures that the results folder has already are not painted again. docs/quality.md "
        "explains the measures and the table."
    )
    parser.add_argument("--list", action="store_true", help="list the methods, and end")
    parser.add_argument(
        "--pictures", type=Path, help="folder of the pictures that are not in examples/ or scikit-image"
    )
    parser.add_argument("--results", type=Path, help="folder of the results; made if it is missing")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), metavar="NAME", help="(default: all)")
    parser.add_argument(
        "--pairs",
        nargs="+",
        default=["tuned"],
        metavar="PAIR",
        help=f"{', '.join(pairs.SETS)}, or CONTENT+STYLE (default: tuned)",
    )
    parser.add_argument("--width", type=int, default=256, help="of the results in pixels (default: %(default)s)")
    parser.add_argument(
        "--strengths",
        nargs="+",
        type=float,
        default=list(methods.STRENGTHS),
        metavar="STRENGTH",
        help="strengths that the defaults are painted with (default: %(default)s)",
    )
    parser.add_argument(
        "--factors",
        nargs="+",
        type=float,
        default=[1.0],
        metavar="FACTOR",
        help="factors on the own style weight of every other method; the picture whose distance to the photograph is "
        "nearest the defaults' counts (default: %(default)s)",
    )
    parser.add_argument("--weights", default="imagenet", help="network to paint with (default: %(default)s)")
    parser.add_argument("--judge", default="imagenet", help="network to judge by (default: %(default)s)")
    parser.add_argument("--device", default="auto", help="as in the program (default: %(default)s)")
    parser.add_argument("--precision", default="auto", help="as in the program (default: %(default)s)")
    parser.add_argument(
        "--limit-seconds",
        type=float,
        help="begin no picture after so many seconds; 0 paints nothing (default: no limit)",
    )
    parser.add_argument("--table", nargs="?", const="-", metavar="FILE", help="print the table, or write it to a file")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="contact sheet to write: rows are pairs")
    parser.add_argument(
        "--strength-sheet",
        type=Path,
        metavar="FILE",
        help="contact sheet to write of the defaults at --strengths, 0 and 1, with a table; other methods are left out",
    )
    parser.add_argument("--cell", type=int, default=192, help="width of pictures on sheets (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Paint, compare and draw; return the exit code."""
    args = parse_args(argv)
    try:
        if args.list:
            for name, method in METHODS.items():
                print(f"{name:24} {method.what}")
            return 0
        check(args)
        return study(args)
    except NeuralStyleError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{NAME}: stopped; what is painted is kept", file=sys.stderr)
        return 130


def check(args: argparse.Namespace) -> None:
    """Raise UsageError for a mistake on the command line."""
    if args.results is None:
        raise UsageError("--results: expected a folder, got none; name one, such as --results study")
    if args.pictures is not None and not args.pictures.is_dir():
        raise UsageError(f"--pictures: expected a folder, got {str(args.pictures)!r}")
    if not all(0 <= strength <= 1 for strength in args.strengths):
        raise UsageError(f"--strengths: expected numbers from 0 to 1, got {' '.join(map(str, args.strengths))}")
    if not all(0 < factor < float("inf") for factor in args.factors):
        raise UsageError(f"--factors: expected factors above 0, got {' '.join(map(str, args.factors))}")
    if args.strength_sheet and (args.sheet or args.table):
        raise UsageError("--strength-sheet: expected no --sheet and no --table beside it; run the command twice")
    if args.limit_seconds is not None and not args.limit_seconds >= 0:
        raise UsageError(f"--limit-seconds: expected a number of at least 0, got {args.limit_seconds:g}")
    if args.cell < 1:
        raise UsageError(f"--cell: expected a width of at least 1 px, got {args.cell}")
    for option in ("sheet", "strength_sheet"):
        if path := getattr(args, option):
            sheets.check_name(path, f"--{option.replace('_', '-')}")


def study(args: argparse.Namespace) -> int:
    """Do what the command line asks for."""
    results = Results(args.results)
    found = find_pictures(pairs.parse(args.pairs), args.pictures)
    if not found:
        raise UsageError(
            "--pairs: expected at least one pair whose pictures are there; name their folder by --pictures"
        )
    if args.strength_sheet:
        args.methods, args.strengths = [REFERENCE], sorted({0.0, *args.strengths, 1.0})
    jobs = plan(methods.parse(args.methods), found, args)
    failures = paint(jobs, results, args)
    rows = {job: row for job in jobs if (row := results.row(job)) is not None}
    if args.strength_sheet:
        show_strengths(rows, found, results, args)
    if args.table:
        show_table(rows, args.table)
    if args.sheet:
        show_methods(rows, found, results, args)
    return 1 if failures else 0


def find_pictures(wanted: Sequence[Pair], folder: Path | None) -> dict[Pair, tuple[Path, Path]]:
    """Return pair -> paths of its photograph and style; name the pairs that lack a picture."""
    found = {}
    for pair in wanted:
        paths = [pairs.find_picture(name, folder) for name in pair]
        if paths[0] and paths[1]:
            found[pair] = (paths[0], paths[1])
        else:
            lacking = [name for name, path in zip(pair, paths, strict=True) if path is None]
            place = "examples/ or scikit-image" if folder is None else f"{folder}, examples/ or scikit-image"
            print(f"{pair}: left out, since there is no picture {' or '.join(lacking)} in {place}", file=sys.stderr)
    return found


def plan(
    chosen: Mapping[str, methods.Method], found: Mapping[Pair, tuple[Path, Path]], args: argparse.Namespace
) -> list[Job]:
    """Return every picture of the study, method by method. Mistakes in methods are known before any is painted."""
    common: dict[str, Any] = {name: getattr(args, name) for name in ("width", "weights", "device", "precision")}
    jobs = []
    for name, method in chosen.items():
        for pair, (content, style) in found.items():
            config = method.config(str(content), str(style), **common)
            levels = args.strengths if method.swept == "strength" else args.factors
            jobs += [Job(name, method, level, pair, config) for level in levels]
    return jobs


def paint(jobs: Sequence[Job], results: Results, args: argparse.Namespace) -> int:
    """Paint what is missing; return how many pictures failed."""
    if args.limit_seconds == 0:
        return 0
    deadline = None if args.limit_seconds is None else time.monotonic() + args.limit_seconds
    from neural_style.cli.tensorflow_import import import_tensorflow

    import_tensorflow()  # before the modules that import it themselves
    from quality_study import painting

    return painting.paint_all(
        jobs,
        results,
        lambda: painting.Painter(jobs[0].config, args.judge),
        deadline=deadline,
        say=lambda line: print(line, flush=True),
    )


def check_reference(rows: Mapping[Job, Row], option: str) -> None:
    """Raise UsageError if there is nothing to compare with."""
    if not any(job.name == REFERENCE for job in rows):
        raise UsageError(f"{option}: expected results of the method {REFERENCE}, got none; paint them first")


def show_table(rows: Mapping[Job, Row], place: str) -> None:
    """Print or write the comparison of methods."""
    check_reference(rows, "--table")
    reference = reference_curves(rows)
    summaries = [
        comparison.summarize(name, {pair: rows[job] for pair, job in chosen.items()}, reference)
        for name, chosen in comparable(rows).items()
    ]
    known = [summary for summary in summaries if summary]
    _show(comparison.table(known), place)
    if not all(summary.ratios for summary in known):
        print(
            f"{NAME}: – stands where no two strengths of the method {REFERENCE} have the method's distance to the "
            "photograph between them; give more --strengths, or --factors",
            file=sys.stderr,
        )


def reference_curves(rows: Mapping[Job, Row]) -> dict[Pair, list[Row]]:
    """Return pair -> the reference's results, one for each strength."""
    curves: dict[Pair, list[Row]] = {}
    for job, row in rows.items():
        if job.name == REFERENCE:
            curves.setdefault(job.pair, []).append(row)
    return curves


def comparable(rows: Mapping[Job, Row]) -> dict[str, dict[Pair, Job]]:
    """Return method -> pair -> the job whose distance to the photograph is nearest the usual one of the reference.

    Pairs that the reference lacks are left out.
    """
    jobs: dict[str, dict[Pair, list[Job]]] = {}
    for job in rows:
        jobs.setdefault(job.name, {}).setdefault(job.pair, []).append(job)
    usual = {
        pair: comparison.usual_distance({job.level: rows[job] for job in of_pair}, USUAL)
        for pair, of_pair in jobs.get(REFERENCE, {}).items()
    }
    return {
        name: {
            pair: comparison.nearest({job: rows[job] for job in of_pair}, usual[pair])
            for pair, of_pair in by_pair.items()
            if pair in usual
        }
        for name, by_pair in jobs.items()
    }


def show_methods(
    rows: Mapping[Job, Row], found: Mapping[Pair, tuple[Path, Path]], results: Results, args: argparse.Namespace
) -> None:
    """Write the contact sheet: of each method the picture that the table shows."""
    check_reference(rows, "--sheet")
    chosen = comparable(rows)
    lines = []
    for pair, (content, style) in found.items():
        if pair not in chosen[REFERENCE]:
            continue
        line = {"content": sheets.Cell(content, pair.content), "style": sheets.Cell(style, pair.style)}
        for name, by_pair in chosen.items():
            if pair in by_pair:
                job = by_pair[pair]
                distance = rows[job]["measures"]["content4"]
                line[name] = sheets.Cell(results.picture_path(job), f"{job.level_name}, content4 {distance:.2f}")
        lines.append(line)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    sheets.write(args.sheet, sheets.draw(columns, lines, args.cell), "--sheet")


def show_strengths(
    rows: Mapping[Job, Row], found: Mapping[Pair, tuple[Path, Path]], results: Results, args: argparse.Namespace
) -> None:
    """Write the sheet of strengths, and print how the distance to the photograph varies over the pairs."""
    lines, by_level = [], {}
    for pair, (content, style) in found.items():
        line = {"content": sheets.Cell(content, pair.content), "style": sheets.Cell(style, pair.style)}
        for job, row in rows.items():
            if job.pair == pair:
                caption = f"content4 {row['measures']['content4']:.2f}"
                line[f"{job.level:g}"] = sheets.Cell(results.picture_path(job), caption)
                by_level.setdefault(job.level, []).append(row)
        lines.append(line)
    columns = ["content", "style", *(f"{level:g}" for level in sorted(by_level))]
    sheets.write(args.strength_sheet, sheets.draw(columns, lines, args.cell), "--strength-sheet")
    _show(comparison.spread_table(by_level), "-")


def _show(text: str, place: str) -> None:
    if place == "-":
        print(text, end="")
    else:
        write_atomically(place, lambda path: path.write_text(text, encoding="utf-8"), overwrite=True, option="--table")


if __name__ == "__main__":
    sys.exit(main())
