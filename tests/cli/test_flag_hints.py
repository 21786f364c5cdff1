import re

from neural_style.cli import flag_hints
from neural_style.config.config import OPTIONS

KNOWN = [*OPTIONS, "network", "flagfile", "help", "version"]

OTHERS = {
    "jcjohnson/neural-style": {
        **{"style_image": "styles", "content_image": "content", "image_size": "width", "gpu": "device"},
        **{"num_iterations": "iterations", "init_image": "initial"},
        **{"lbfgs_num_correction": "history_size", "print_iter": "print_iterations"},
        **{"save_iter": "checkpoint_iterations", "output_image": "output", "style_scale": "style_scales"},
        **{"original_colors": "preserve_colors", "model_file": "weights", "backend": "device"},
    },
    "cysmith/neural-style-tf": {
        **{"content_img": "content", "style_imgs": "styles", "style_imgs_weights": "style_blend_weights"},
        **{"img_name": "output", "init_img_type": "init", "max_size": "width"},
        **{"model_weights": "weights", "pooling_type": "pooling", "max_iterations": "iterations"},
        **{"noise_ratio": "initial_noiseblend", "color_convert_type": "color_space"},
    },
    "crowsonkb/style-transfer-pytorch": {
        **{"devices": "device", "random_seed": "seed", "style_weights": "style_blend_weights", "end_scale": "width"},
        **{"initial_iterations": "iterations_by_scale", "avg_decay": "average_iterates"},
        **{"step_size": "learning_rate", "style_scale_fac": "style_scales"},
        **{"save_every": "checkpoint_iterations", "tv": "tv_weight", "cw": "content_weight", "o": "output"},
    },
    "Keras's example and fast-style-transfer": {
        **{"base_image_path": "content", "style_reference_image_path": "styles", "result_prefix": "output"},
        **{
            "in_path": "content",
            "out_path": "output",
            "vgg_path": "weights",
            "checkpoint_dir": "checkpoint_iterations",
        },
    },
    "others": {
        **{
            "content_path": "content",
            "style_img": "styles",
            "out": "output",
            "tileable": "seamless",
            "steps": "iterations",
        },
        **{"lr": "learning_rate", "cuda": "device", "epochs": "iterations", "config": "flagfile", "epsilon": "eps"},
        **{"W": "width", "force": "overwrite", "original_color": "preserve_colors", "print_every": "print_iterations"},
    },
}


def meant(flag):
    return re.match(r"did you mean --(\w+)\b.*\?$", flag_hints.hint(flag, KNOWN))[1]


def test_names_of_other_programs_lead_to_ours():
    for program, names in OTHERS.items():
        assert {name: meant(name) for name in names} == names, program


def test_every_hint_is_a_flag_and_every_name_is_unknown():
    for name, advice in flag_hints._ADVICE.items():
        assert re.match(r"--(\w+)", advice)[1] in KNOWN
        assert name not in KNOWN
    assert len(flag_hints._ADVICE) == sum(len(names.split()) for names in flag_hints._MEANINGS.values())  # each once


def test_other_names_lead_to_the_nearest_spelling():
    for flag, nearest in (("conten", "content"), ("itertions", "iterations"), ("content_weigth", "content_weight")):
        assert meant(flag) == nearest


def test_where_there_is_nothing_like_it_the_help_is_named():
    for flag in ("zzzzzzzz", "video", "temporal_weight"):
        assert flag_hints.hint(flag, KNOWN) == "--help lists all flags"
