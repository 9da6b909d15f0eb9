"""The pictures of the guide: name -> the function that draws it into a file."""

from guide.drawings import films, ideas, measured, networks, results

PICTURES = {
    "door": results.door,
    "two-methods": ideas.two_methods,
    "four-cases": ideas.four_cases,
    "methods": measured.methods,
    "architecture": networks.architecture,
    "filters": networks.filters,
    "receptive-fields": networks.fields,
    "no-none": ideas.no_none,
    "new-layer": ideas.new_layer,
    "features-once": ideas.features_once,
    "curves": results.curves,
    "one-track": films.one_track,
    "split-random": films.split_random,
    "split-track": films.split_track,
    "fine-tuning": ideas.fine_tuning,
    "augmented": films.augmented,
    "interval": results.interval,
    "calibration": results.calibration,
    "confusions": results.confusions,
    "mistakes": results.mistakes,
    "strangers": results.strangers,
    "codes": networks.codes,
    "flowers": films.flowers,
    "own-folder": ideas.own_folder,
    "ways-out": ideas.ways_out,
}
