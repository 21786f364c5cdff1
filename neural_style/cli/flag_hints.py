"""Hints for unknown flags: our flag for another program's name, or else the nearest spelling."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

_MEANINGS: Mapping[str, str] = {
    "--content PHOTO": "c content_img content_image content_path content_file content_picture base_image "
    "base_image_path input input_image in_path photo",
    "--styles PAINTING [PAINTING ...]": "s style style_img style_imgs style_image style_images style_path style_file "
    "style_reference style_reference_image style_reference_image_path painting reference",
    "--output RESULT": "o out output_img output_image output_path output_file out_path out_file img_name "
    "img_output_dir result result_prefix save_path",
    "--width N": "w image_size img_size content_size max_size output_size out_size end_scale resolution W",
    "--style_scales X [X ...]": "style_scale style_size style_scale_fac style_image_size",
    "--initial FILE": "init_image init_img initial_image start_image",
    "--init content|noise|style_colors|gray|style|FILE": "init_img_type init_method init_type random_init start",
    "--initial_noiseblend X, from 0 (the content) to 1 (noise)": "noise noise_ratio",
    "--noise_scale X": "noise_std noise_level",
    "--preserve_colors": "original_colors original_color keep_colors keep_color color_preserve transfer_color",
    "--color luminance": "luminance_only",
    "--color match, histogram or luminance": "match_color color_match color_matching histogram_matching",
    "--color_space ycbcr|lab|yuv|luv": "color_convert_type color_convert_time",
    "--color_mask FILE": "preserve_mask",
    "--proof PROFILE": "icc_profile printer",
    "--iterations N": "i n niter num_iter num_iters num_iterations n_iterations max_iter max_iterations "
    "iters steps num_steps max_steps epochs",
    "--iterations_by_scale N [N ...]": "initial_iterations",
    "--scale_factor X": "octave_scale scale_step",
    "--average_iterates X": "avg_decay",
    "--tolerance X": "tol ftol early_stopping",
    "--min_scale N": "start_scale",
    "--learning_rate X": "lr step_size stepsize rate",
    "--eps X": "epsilon",
    "--history_size N": "lbfgs_num_correction lbfgs_history max_cor",
    "--seed N": "random_seed rng_seed",
    "--learning_rate_decay X": "lr_decay decay decay_rate",
    "--learning_rate_decay_iterations N": "lr_decay_steps decay_steps decay_iterations",
    "--clip": "clamp clip_pixels clip_values",
    "--optimizer lbfgs|adam|sgd": "optim optimiser solver",
    "--content_weight X": "cw content_loss_weight",
    "--content_loss mean|half_sum|sum|relative": "content_loss_function content_loss_type",
    "--style_weight X": "sw style_loss_weight",
    "--tv_weight X": "tv tv_loss_weight tvw total_variation total_variation_weight denoise smoothness",
    "--style_blend_weights X [X ...]": "style_weights style_imgs_weights blend_weights style_interpolation_weights",
    "--style_layer_weights X [X ...]": "layer_weights style_layers_weights",
    "--style_loss gram|mean_std|covariance|wasserstein": "style_loss_function style_loss_type gram_loss",
    "--weights FILE": "model model_file model_path model_weights net vgg vgg_path vgg19 pretrained proto_file",
    "--pooling max|avg|l2": "pool pooling_type pool_type",
    "--device gpu or --device cpu": "gpu gpus gpu_id no_gpu cpu cuda use_cuda no_cuda use_gpu devices backend "
    "multigpu_strategy multidevice_strategy",
    "--precision float32|bfloat16|float16": "dtype fp16 bf16 half amp mixed_precision",
    "--tile_size N": "tile tiles tiling",
    "--content_masks": "mask masks mask_imgs content_seg content_segmentation guide guides",
    "--style_masks": "style_mask style_mask_imgs style_seg style_segmentation style_guide",
    "--size WIDTHxHEIGHT": "texture_size",
    "--seamless": "tileable tiled_texture wraparound periodic",
    "--memory SIZE": "mem max_memory memory_limit",
    "--print_iterations N": "print_iter print_every print_interval log_every log_interval log_freq verbose v",
    "--checkpoint_iterations N with --checkpoint_output out_{:05}.jpg": "save_iter save_every save_interval "
    "checkpoint_every checkpoint_dir checkpoint_interval",
    "--progress_plot": "plot plot_loss",
    "--progress_write": "log loss_log log_file",
    "--flagfile FILE": "config config_file options flags",
    "--overwrite": "force f y",
}
"""What to write -> names in other programs: anishathalye/neural-style, jcjohnson/neural-style,
ProGamerGov/neural-style-pt, cysmith/neural-style-tf, crowsonkb/style-transfer-pytorch, lengstrom/fast-style-transfer,
Keras's example, and other common names."""

_WITHOUT_COUNTERPART = frozenset(
    (
        *("normalize_gradients", "temporal_weight"),
        *("video", "web"),
    )
)
"""Names in those programs that have no counterpart here. The nearest spelling would mislead."""

_ADVICE = {name: advice for advice, names in _MEANINGS.items() for name in names.split()}


def hint(flag: str, known: Sequence[str]) -> str:
    """Return what to write instead of an unknown flag, as the end of a sentence.

    Args:
        flag: name of the flag, without leading dashes and with underscores.
        known: names of all flags.
    """
    advice = _ADVICE.get(flag) or _ADVICE.get(flag.lower())
    if advice is None and flag not in _WITHOUT_COUNTERPART:
        near = [
            *(name for name in known if name.startswith(flag)),
            *difflib.get_close_matches(flag, known, cutoff=0.75),
            *(name for name in known if flag.startswith(name)),
            *difflib.get_close_matches(flag, known),
        ]
        advice = f"--{near[0]}" if near else None
    return f"did you mean {advice}?" if advice else "--help lists all flags"
