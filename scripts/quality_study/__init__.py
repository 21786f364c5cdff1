"""The parts of scripts/study_quality.py: methods, pairs, results, painting, comparison and sheets."""
