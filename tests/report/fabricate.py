"""Invented data for every plot and a whole invented run: nothing here was ever estimated."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from mammolab.evaluate.promises import promise_table
from mammolab.paths import RunPaths
from mammolab.report import (
    plots_calibration,
    plots_cohort,
    plots_detection,
    plots_device,
    plots_exclusion,
    plots_explain,
    plots_flow,
    plots_guards,
    plots_model,
    plots_outcome,
    plots_pathways,
    plots_pitfalls,
    plots_pitfalls_analysis,
    plots_policy,
    plots_risk,
    plots_risk_groups,
    plots_study,
    plots_subgroups,
    plots_triage,
)
from mammolab.report.frames import composition, logit_bins, percentile_bins, year_shares
from mammolab.report.numbers import chapter_of
from mammolab.report.style import figure_size, save_svg, style
from mammolab.schemas import write_table

FACTS = {"profile": "demo", "synthetic": True, "wall_s": 611.4, "peak_rss_gb": 2.3, "cores": 2}
CODE_DIGEST = "0123456789abcdef"

# Estimates with their intervals; a plain value where the paper prints no interval.
NUMBERS = {
    "world.cdr_per_1000": 5.21, "world.missed_per_1000": 0.83, "world.recall_rate": 0.1147,
    "world.sensitivity": 0.864, "world.specificity": 0.8893, "world.ppv1": 0.0452,
    "world.minimal_share": 0.592, "world.dcis_share": 0.247,
    "cohort.recall_rate": (0.115, 0.113, 0.117), "cohort.cdr_per_1000": (5.2, 4.9, 5.5),
    "cohort.missed_per_1000": (0.8, 0.7, 0.9), "cohort.sensitivity": (0.87, 0.85, 0.89),
    "cohort.specificity": (0.889, 0.887, 0.891), "cohort.ppv1": (0.045, 0.042, 0.048),
    "cohort.minimal_share": (0.58, 0.55, 0.61),
    "cohort.published_split": False,
    "cohort.min_age_years": 40, "cohort.n_women": 46731, "cohort.n_exams": 151902, "cohort.n_cancers": 917,
    "cohort.n_patients_test": 9314, "cohort.n_cancers_test": 188, "cohort.n_exams_with_pixels": 4120,
    "world.conspicuity": 4.0, "world.auc_5y_best": (0.68, 0.67, 0.69), "images.rows": 256, "images.columns": 208,
    "detection.width": 16, "detection.initialisation": "random", "detection.pooling": "max",
    "detection.gradient_steps": 1200, "detection.batch_size": 24,
    "triage.threshold_rule": "certified", "triage.noninferior": True,
    "subgroups.lowest_auc": (0.71, 0.60, 0.82), "subgroups.lowest_auc_name": "density d",
    "subgroups.n_cells": 17, "subgroups.n_intervals_apart": 1,
    "subgroups.n_gaps": 38, "subgroups.n_gaps_alone": 3, "subgroups.n_gaps_after_max_t": 0,
    "subgroups.n_cells_too_small": 41, "subgroups.unseen_above_most_power": 0.64,
    "subgroups.unseen_above_least_power": 0.5, "subgroups.most_power_name": "density b",
    "subgroups.least_power_name": "race ethnicity asian", "subgroups.most_power": 0.03,
    "subgroups.gap_of_interest_auc": 0.05, "subgroups.n_triage_gaps": 160,
    "subgroups.n_triage_gaps_after_max_t": 1, "subgroups.ruled_out_unevenly": "device cedar",
    "subgroups.n_miscalibrated": 1, "subgroups.n_calibration_gaps_after_max_t": 0,
    "risk.exclude_first_years": 1, "risk.n_components": 40, "risk.min_follow_up_years": 3,
    "images.n_files": 16502, "images.n_ok": 16398, "images.n_rejected": 104,
    "detection.auc": (0.781, 0.744, 0.818), "detection.auc_single_image": 0.734,
    "detection.auc_baseline_age": (0.562, 0.521, 0.603), "detection.auc_baseline_density": (0.548, 0.507, 0.589),
    "detection.auc_baseline_texture": (0.664, 0.625, 0.703), "detection.nearest_baseline": "texture",
    "detection.above_baseline": (0.117, 0.072, 0.162), "detection.n_baseline_exams": 1571,
    "detection.auc_ideal": (0.956, 0.943, 0.968), "detection.below_ideal": (0.175, 0.139, 0.212),
    "choices.pretrained_over_random": (0.031, -0.012, 0.074), "choices.pretrained_over_random_verdict": "no difference that this study could tell",
    "choices.batch_24_over_2": (0.031, -0.012, 0.074), "choices.batch_24_over_2_verdict": "no difference that this study could tell",
    "choices.whole_over_patches": (0.031, -0.012, 0.074), "choices.whole_over_patches_verdict": "no difference that this study could tell",
    "choices.max_over_mean": (0.031, -0.012, 0.074), "choices.max_over_mean_verdict": "no difference that this study could tell",
    "choices.balanced_over_nothing": (0.031, -0.012, 0.074), "choices.balanced_over_nothing_verdict": "no difference that this study could tell",
    "choices.full_over_quarter": (0.031, -0.012, 0.074), "choices.full_over_quarter_verdict": "no difference that this study could tell",
    "choices.wide_over_narrow": (0.031, -0.012, 0.074), "choices.wide_over_narrow_verdict": "no difference that this study could tell",
    "choices.single_over_four_views": (0.031, -0.012, 0.074), "choices.single_over_four_views_verdict": "no difference that this study could tell",
    "choices.more_women": (0.031, -0.012, 0.074), "choices.more_women_verdict": "no difference that this study could tell",
    "choices.max_over_learned": (0.031, -0.012, 0.074), "choices.max_over_learned_verdict": "no difference that this study could tell",
    "choices.balanced_over_weighted": (0.031, -0.012, 0.074), "choices.balanced_over_weighted_verdict": "no difference that this study could tell",
    "choices.full_over_half": (0.031, -0.012, 0.074), "choices.full_over_half_verdict": "no difference that this study could tell",
    "choices.n_ways": 23, "choices.steps": 120, "choices.share_steps": 480, "choices.fold": 2, "choices.n_seeds": 2,
    "calibration.expected_over_observed_raw": 61.7, "calibration.ece_raw": 0.3421,
    "calibration.slope_raw": 0.94, "calibration.expected_over_observed_platt": 1.03,
    "calibration.ece_platt": 0.0006, "calibration.slope_platt": 0.98,
    "calibration.expected_over_observed_prior_shift": 1.21, "calibration.ece_prior_shift": 0.0012,
    "calibration.slope_prior_shift": 0.93,
    "calibration.expected_over_observed_temperature": None, "calibration.ece_temperature": None,
    "calibration.slope_temperature": None,
    "calibration.expected_over_observed_beta": (1.02, 0.8, 1.3), "calibration.ece_beta": 0.0008,
    "calibration.slope_beta": 0.99, "calibration.expected_over_observed_isotonic": (1.01, 0.8, 1.3),
    "calibration.ece_isotonic": 0.0015, "calibration.slope_isotonic": 0.84,
    "calibration.n_cells": 8, "calibration.n_cells_off": 1,
    "triage.fraction_ruled_out_replayed": (0.181, 0.044, 0.463), "triage.share_noninferior": 0.85,
    "triage.fraction_ruled_out_minimum": (0.041, 0.03, 0.055), "triage.cancers_missed_minimum": 0,
    "triage.fraction_ruled_out_certified": (0.35, 0.31, 0.38), "triage.cancers_missed_certified": 3,
    "triage.missed_surface_before": 0, "triage.missed_found_next": 1.9,
    "triage.both.difference_sensitivity": (-0.005, -0.02, 0.01),
    "triage.both.difference_specificity": (0.01, 0.005, 0.015), "triage.both.readings_per_1000": 849.1,
    "triage.second_reader.difference_sensitivity": (-0.01, -0.03, 0.01),
    "triage.second_reader.difference_specificity": (0.075, 0.05, 0.1),
    "triage.second_reader.readings_per_1000": 1204.0,
    "triage.worklist_poor.hours_cancers": (-1.9, -2.8, -1.2),
    "triage.worklist_rich.hours_cancers": (-1.6, -1.9, -1.3),
    "triage.net_benefit_risk": 0.02, "triage.net_benefit_gain_per_1000": (0.17, -0.01, 0.37),
    "triage.prevalence_ratio_read": 1.16, "triage.sensitivity_change_as_odds": (0.002, -0.01, 0.01),
    "triage.specificity_change_as_odds": (0.0, -0.01, 0.01), "triage.certificate_exact": False,
    "triage.missed_net_women": 2,
    "triage.threshold": 0.00082, "triage.n_dev_cancers": 171, "triage.margin": 0.05,
    "triage.fraction_ruled_out": (0.172, 0.165, 0.179),
    "triage.sensitivity_without": (0.872, 0.823, 0.917), "triage.sensitivity_with": (0.862, 0.812, 0.909),
    "triage.specificity_without": (0.891, 0.888, 0.894), "triage.specificity_with": (0.902, 0.899, 0.905),
    "triage.difference_sensitivity": (-0.0106, -0.029, -0.001),
    "triage.difference_specificity": (0.0109, 0.0101, 0.0118),
    "triage.noninferiority_p": 0.00042, "triage.noninferiority_p_published": 1e-9,
    "triage.cancers_missed": 2, "triage.false_omission_per_1000": 0.71,
    "triage.recalls_avoided_fraction": 0.094, "triage.certified_sensitivity": 0.957,
    "risk.n_cancers_test": 402, "risk.n_exams_test": 2217,
    "risk.auc_5y.gail": (0.597, 0.561, 0.633), "risk.auc_5y.risk_factors": (0.641, 0.606, 0.676),
    "risk.auc_5y.image": (0.673, 0.639, 0.707), "risk.auc_5y.hybrid": (0.701, 0.668, 0.734),
    "risk.c_index.image": (0.668, 0.637, 0.699), "risk.c_index.hybrid": (0.693, 0.663, 0.723),
    "risk.auc_5y.tyrer_cuzick_like": (0.612, 0.576, 0.648),
    "risk.auc_5y.image_logistic": (0.671, 0.637, 0.705), "risk.auc_5y.hybrid_stack": (0.7, 0.667, 0.733),
    "risk.top_decile_capture.hybrid": (0.291, 0.22, 0.36), "risk.bottom_decile_capture.hybrid": (0.03, 0.01, 0.06),
    "risk.top_decile_capture.tyrer_cuzick_like": (0.17, 0.1, 0.25),
    "risk.bottom_decile_capture.tyrer_cuzick_like": (0.06, 0.02, 0.1),
    "risk.expected_over_observed.hybrid": (1.1, 0.9, 1.4),
    "risk.expected_over_observed.tyrer_cuzick_like": (0.7, 0.6, 0.9),
    "risk.difference.hybrid_tyrer_cuzick_like": (0.051, -0.005, 0.109),
    "risk.difference.hybrid_risk_factors": (0.056, 0.01, 0.101),
    "risk.first_year_gain_image": (0.052, 0.036, 0.069), "risk.not_dense_but_high": (0.018, 0.004, 0.03),
    "risk.tyrer_cuzick_official": False, "risk.n_components_image": 20, "risk.image_part_all": 0.12,
    "risk.hybrid_joins_factors": True, "risk.dev_auc_hybrid_factors": 0.701,
    "risk.dev_auc_hybrid_score": 0.696,
    "risk.best_auc_with_image": (0.68, 0.63, 0.73), "risk.best_auc_everything_and_lesions": (0.83, 0.78, 0.87),
    "risk.image_part_age": (0.0, -0.01, 0.01), "risk.image_part_rest": (0.02, -0.03, 0.06),
    "risk.policy.mri_hybrid_found_earlier": (2.2, 1.3, 3.2),
    "risk.policy.mri_hybrid_over_chance_interval_cancers": (-0.41, -0.75, -0.1),
    "risk.best_auc_everything": (0.71, 0.65, 0.77), "risk.image_part_texture": (0.076, 0.04, 0.11),
    "risk.image_part_density": (0.004, -0.01, 0.02), "risk.image_part_lesion": (0.012, 0.0, 0.02),
    "risk.policy.mri_hybrid_interval_cancers": (-0.68, -1.11, -0.33),
    "risk.policy.mri_hybrid_examinations": (351.0, 268.0, 447.0),
    "risk.at_3_percent.called_hybrid": (0.17, 0.14, 0.2),
    "risk.at_3_percent.called_tyrer_cuzick_like": (0.015, 0.007, 0.025),
    "risk.at_3_percent.sensitivity_hybrid": (0.28, 0.2, 0.37),
    "risk.at_3_percent.sensitivity_tyrer_cuzick_like": (0.04, 0.02, 0.08),
    "risk.at_3_percent.net_benefit_difference": (0.0001, -0.0019, 0.0023),
    "risk.best_auc_image_alone": (0.65, 0.59, 0.7), "risk.aims_missed": "Image only, Hybrid",
    "risk.aim.gail": 0.6, "risk.aim.tyrer_cuzick_like": 0.62, "risk.aim.image": 0.68, "risk.aim.hybrid": 0.7,
    "risk.expected_auc_image_alone": 0.66, "risk.expected_auc_with_image": 0.68,
    "risk.n_cancers_train_with_images": 475, "risk.n_cancers_train": 1602,
    "risk.c_index_known_risk_factors": 0.612, "risk.c_bias.harrell": (0.0, -0.0012, 0.0012),
    "risk.c_bias.uno": (-0.0002, -0.0013, 0.0009), "risk.c_bias.event_fitted": (0.0, -0.0012, 0.0012),
    "risk.lengthen_share": 0.3, "risk.aim_tolerance": 0.03, "risk.threshold.lifetime": 0.2,
    "risk.threshold.five_year_low": 0.0167, "risk.threshold.five_year_high": 0.03,
    "risk.policy.longer_hybrid_interval_cancers": (0.4, 0.1, 0.9),
    "risk.policy.longer_hybrid_examinations": (-393.0, -453.0, -334.0),
    "risk.policy.mri_hybrid_3_percent_interval_cancers": (-0.72, -1.16, -0.38),
    "risk.policy.mri_hybrid_3_percent_examinations": (568.0, 464.0, 680.0),
    "risk.policy.mri_hybrid_1_67_percent_interval_cancers": (-2.76, -3.67, -1.88),
    "risk.policy.mri_hybrid_1_67_percent_examinations": (2492.0, 2318.0, 2647.0),
    "risk.policy.mri_gail_lifetime_interval_cancers": (-0.06, -0.15, 0.0),
    "risk.policy.mri_gail_lifetime_examinations": (38.0, 8.0, 77.0),
        "explain.stage": 4, "explain.window_mm": 16.0, "explain.stride_mm": 8.0, "explain.tolerance_mm": 5.0,
    "explain.marker_with": 0.9, "explain.marker_without": 0.02, "explain.marker_steps": 120,
    "explain.marker_n_views": 10, "explain.n_healthy": 60,
    "explain.pointing_gradcam": (0.41, 0.35, 0.47), "explain.pointing_n_views_gradcam": 380,
    "explain.pointing_occlusion": (0.72, 0.61, 0.83), "explain.pointing_n_views_occlusion": 78,
    "explain.pointing_chance": (0.034, 0.03, 0.038), "explain.pointing_within_reach": 0.55,
    "explain.pointing_untrained": (0.09, 0.06, 0.12), "explain.pointing_brightness": (0.48, 0.42, 0.54),
    "explain.pointing_lowest_kind": "asymmetry", "explain.pointing_lowest_gradcam": (0.2, 0.1, 0.3),
    "explain.energy_gradcam": (0.04, 0.03, 0.05), "explain.energy_occlusion": (0.14, 0.1, 0.18),
    "explain.energy_chance": (0.012, 0.01, 0.014),
    "explain.pointing_lookalike": (0.31, 0.2, 0.43), "explain.pointing_n_lookalikes": 55,
    "explain.marker_auc_shortcut_marked": (0.95, 0.93, 0.97),
    "explain.marker_auc_shortcut_plain": (0.58, 0.53, 0.63),
    "explain.marker_auc_sound_marked": (0.7, 0.65, 0.75), "explain.marker_auc_sound_plain": (0.85, 0.82, 0.88),
    "explain.marker_pointing_shortcut_occlusion": (1.0, 0.7, 1.0),
    "explain.marker_pointing_sound_occlusion": (0.1, 0.0, 0.3),
    "explain.marker_energy_shortcut_occlusion": (0.46, 0.4, 0.5),
    "explain.marker_energy_sound_occlusion": (0.02, 0.0, 0.04),
    "pitfalls.scoreboard.n_failures": 26,
    "pitfalls.scoreboard.n_guards_fired": 25,
    "pitfalls.scoreboard.n_between": 69,
    "pitfalls.scoreboard.n_between_fired": 60,
    "pitfalls.scoreboard.n_right": 26,
    "pitfalls.scoreboard.n_right_fired": 1,
    "pitfalls.overconfidence.observed_over_expected_raw": (0.017, 0.014, 0.02),
    "pitfalls.device_shortcut.reported": (0.94, 0.91, 0.97),
    "pitfalls.device_shortcut.auc_plain": (0.72, 0.67, 0.77),
    "pitfalls.device_shortcut.gain_unconditional": (-0.06, -0.11, -0.01),
    "pitfalls.device_shortcut.gain_conditional": (0.05, -0.01, 0.11),
    "pitfalls.device_shortcut.gain_calibrated": (0.05, -0.01, 0.11),
    "pitfalls.device_shortcut.over_calibrated_conditional": (0.006, -0.05, 0.06),
    "pitfalls.confounded_sources.reported": (0.947, 0.931, 0.963),
    "pitfalls.confounded_sources.true": (0.681, 0.644, 0.718),
    "pitfalls.confounded_sources.repaired": (0.751, 0.714, 0.788),
    "pitfalls.confounded_sources.metadata_auc": 0.968,
    "pitfalls.confounded_sources.reported_even_years": (0.61, 0.56, 0.66),
    "pitfalls.confounded_sources.true_even_years": (0.59, 0.55, 0.63),
    "pitfalls.confounded_sources.reported_even_years_seen": (0.66, 0.61, 0.71),
    "pitfalls.confounded_sources.true_even_years_seen": (0.5, 0.45, 0.54),
    "pitfalls.marker_shortcut.reported_marker": (1.0, 1.0, 1.0),
    "pitfalls.marker_shortcut.true_marker": (0.5, 0.45, 0.54),
    "pitfalls.marker_shortcut.reported_text": (1.0, 1.0, 1.0),
    "pitfalls.marker_shortcut.true_text": (0.57, 0.52, 0.62),
    "pitfalls.several_images.reported": (0.97, 0.95, 0.98),
    "pitfalls.several_images.true": (0.62, 0.58, 0.66),
    "pitfalls.matching_on_age_density.reported": (0.93, 0.91, 0.95),
    "pitfalls.matching_on_age_density.true": (0.68, 0.64, 0.72),
    "pitfalls.enriched_test_set.reported": (0.87, 0.82, 0.92),
    "pitfalls.enriched_test_set.true": (0.031, 0.025, 0.037),
    "pitfalls.verification_bias.reported": (1.0, 0.98, 1.0),
    "pitfalls.verification_bias.true": (0.88, 0.84, 0.92),
    "pitfalls.patients_across_splits.reported": (0.69, 0.62, 0.75),
    "pitfalls.duplicates_across_splits.reported": (0.94, 0.92, 0.96),
    "pitfalls.exclusions.share_women": 0.56,
    "pitfalls.exclusions.share_cancers": 0.58,
    "pitfalls.overconfidence.reported": (0.28, 0.26, 0.30),
    "pitfalls.overconfidence.true": (0.0065, 0.0055, 0.0075),
    "pitfalls.best_of_fifty.reported": (0.80, 0.73, 0.87),
    "pitfalls.best_of_fifty.true": (0.77, 0.70, 0.84),
    "pitfalls.best_of_fifty.coins_reported": (0.60, 0.52, 0.69),
    "pitfalls.images_independent.true": (0.70, 0.68, 0.72),
    "pitfalls.images_independent.repaired": (0.94, 0.93, 0.95),
    "pitfalls.hidden_subgroup.auc_of_all": 0.814,
    "pitfalls.hidden_subgroup.true": 0.4,
    "pitfalls.hidden_subgroup.cancers_slight": 134,
    "pitfalls.hidden_subgroup.cancers_slight_many": 274,
    "pitfalls.replicate_t_test.reported": 0.975,
    "pitfalls.replicate_t_test.true": (0.50, 0.48, 0.52),
    "pitfalls.late_detection.reported": (0.65, 0.60, 0.69),
    "pitfalls.late_detection.true": (0.57, 0.51, 0.63),
}  # fmt: skip


def world_targets() -> pd.DataFrame:
    rows = [
        ("cancers detected per 1000", 5.21, 4.9, 5.5, 5.1, 4.7, 5.5, 2),
        ("cancers missed per 1000", 0.83, 0.70, 0.97, 0.8, 0.65, 0.95, 2),
        ("sensitivity, %", 86.4, 84.0, 88.6, 86.9, 84.9, 88.9, 1),
        ("specificity, %", 88.9, 88.7, 89.1, 88.9, 87.9, 89.9, 1),
        ("recall rate, %", 11.5, 11.3, 11.7, 11.6, 10.6, 12.6, 1),
        ("PPV of a recall, %", 4.52, 4.2, 4.8, 4.4, 4.0, 4.8, 1),
        ("minimal cancers, %", 62.9, 59.0, 66.8, 57.7, 53.7, 61.7, 1),
        ("in situ, %", 9.7, np.nan, np.nan, 25, 20, 30, 1),
    ]
    columns = ["quantity", "value", "ci_low", "ci_high", "target", "target_low", "target_high",
               "digits"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def flow() -> pd.DataFrame:
    rows = [
        ("exported", 49120, 171311, 0, "exams in the export"),
        ("screening", 48877, 168002, 3309, "indication was diagnostic"),
        ("age", 48102, 164455, 3547, "woman younger than 40 or older than 84"),
        ("prior cancer", 47512, 161700, 2755, "breast cancer before the exam"),
        ("follow-up", 46731, 151902, 9798, "less than a year of follow-up and no cancer"),
    ]
    frame = pd.DataFrame(
        rows, columns=["step", "n_patients", "n_exams", "n_removed_exams", "reason"]
    )
    return frame.assign(n_images=pd.array([pd.NA] * 5, dtype="Int64"))


def cohort(n: int = 4000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    cancer = rng.random(n) < 0.03
    patient = rng.integers(0, n // 3, n)
    split = np.array(["train", "dev", "test"])[np.clip(patient % 5 - 2, 0, 2)]
    density = rng.choice(list("abcd"), n, p=[0.1, 0.4, 0.4, 0.1]).astype(object)
    density[:25] = None
    pixels = cancer | (rng.random(n) < 0.1)
    return pd.DataFrame(
        {
            "exam_id": [f"E{i:06d}" for i in range(n)],
            "patient_id": [f"P{i:05d}" for i in patient],
            "exam_date": pd.Timestamp("2012-03-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
            "exam_year": rng.integers(2009, 2017, n),
            "age_years": rng.uniform(38, 79, n),
            "age_band": rng.choice(["<40", "40-49", "50-59", "60-69", "70+"], n),
            "race_ethnicity": rng.choice(["white", "black", "asian", "hispanic", "other"], n,
                                         p=[0.8, 0.06, 0.06, 0.05, 0.03]),
            "density": density,
            "site": "main",
            "device": rng.choice(["alder", "birch", "cedar", "dogwood"], n, p=[0.4, 0.3, 0.2, 0.1]),
            "reader_id": "R1",
            "birads": 1.0,
            "recall": rng.random(n) < np.where(cancer, 0.87, 0.11),
            "biopsy": False,
            "implant": False,
            "cancer_within_1y": cancer,
            "cancer_laterality": np.where(cancer, "L", ""),
            "days_to_diagnosis": np.where(cancer, 30.0, np.nan),
            "invasive": cancer,
            "size_mm": np.where(cancer, 13.0, np.nan),
            "split": split,
            "sampling_weight": np.where(pixels, np.where(cancer, 1.0, 10.0), np.nan),
            "has_pixels": pixels,
        }
    )  # fmt: skip


def store(path: Path, n: int = 16) -> Path:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:256, 0:208]
    breast = ((y - 128) / 118) ** 2 + (x / 150) ** 2 < 1
    images = np.zeros((n, 256, 208), dtype=np.uint8)
    for image in images:
        image[breast] = np.clip(rng.normal(110, 25, breast.sum()), 0, 255)
    np.save(path, images)
    return path


def history() -> pd.DataFrame:
    epoch = np.arange(1, 13)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "train_loss": 0.69 * np.exp(-epoch / 18),
            "dev_loss": 0.66 * np.exp(-epoch / 20) + 0.03,
            "dev_auc": 0.78 - 0.2 * np.exp(-epoch / 4),
            "dev_triage": 0.19 - 0.17 * np.exp(-epoch / 5) + 0.02 * np.sin(2.0 * epoch),
        }
    )


def roc() -> pd.DataFrame:
    x = np.linspace(0, 1, 101)
    y = x**0.28
    return pd.DataFrame(
        {"false_positive_rate": x, "sensitivity": y, "ci_low": np.clip(y - 0.06, 0, 1),
         "ci_high": np.clip(y + 0.05, 0, 1), "curve": "network"}
    )  # fmt: skip


def ladder() -> pd.DataFrame:
    rows = [
        ("told where", "ceiling", 0.956, 0.943, 0.968),
        ("network", "model", 0.781, 0.744, 0.818),
        ("texture", "floor", 0.664, 0.625, 0.703),
        ("density", "floor", 0.548, 0.507, 0.589),
        ("age", "floor", 0.562, np.nan, np.nan),
    ]
    return pd.DataFrame(rows, columns=["observer", "role", "estimate", "ci_low", "ci_high"])


def curves() -> pd.DataFrame:
    rows = [
        (way, seed, steps, 0.7 - 0.001 * steps * better, 0.5 + 0.002 * steps * better)
        for way, better in (("formula", 1.0), ("random", 0.5))
        for seed in (1, 2)
        for steps in (30, 60, 90, 120)
    ]
    return pd.DataFrame(rows, columns=["way", "seed", "steps", "loss", "dev_auc"])


def ways() -> pd.DataFrame:
    rows = [
        (label, series, seed, 0.7 + 0.02 * number + 0.01 * (series != "whole images"), 0.66, 0.78)
        for number, label in enumerate(("2", "10", "24"))
        for series in ("whole images", "patches first")
        for seed in (np.nan, 1, 2)
    ]
    names = ["label", "series", "seed", "auc", "ci_low", "ci_high"]
    frame = pd.DataFrame(rows, columns=names)
    frame.loc[frame["seed"].notna(), ["ci_low", "ci_high"]] = np.nan
    return frame


def percentiles() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = cohort(6000)
    score = rng.normal(frame["cancer_within_1y"] * 1.3 + frame["recall"] * 0.4, 1)
    return percentile_bins(score, frame["recall"], frame["cancer_within_1y"])


def raw_scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    cancer = rng.random(3000) < 0.1
    return 1 / (1 + np.exp(-rng.normal(2 * cancer - 1, 1.2))), cancer


def reliability() -> pd.DataFrame:
    predicted = np.geomspace(0.0006, 0.06, 8)
    frames = []
    for name, factor in (("raw", 12.0), ("prior shift", 1.3), ("Platt", 1.0)):
        x = np.minimum(predicted * factor, 0.95)
        y = np.where((name == "Platt") & (predicted < 0.0007), 0, predicted * 1.02)
        frames.append(pd.DataFrame({"calibrator": name, "predicted": x, "observed": y,
                                    "ci_low": 0.6 * y, "ci_high": 1.5 * y + 0.0005}))  # fmt: skip
    return pd.concat(frames)


def threshold() -> pd.DataFrame:
    t = np.geomspace(1e-4, 0.05, 60)
    ruled = 1 / (1 + (0.003 / t) ** 1.4)
    kept = 1 - 1 / (1 + (0.012 / t) ** 1.7)
    return pd.DataFrame({"threshold": t, "sensitivity": kept, "fraction_ruled_out": ruled,
                         "sensitivity_low": kept - 0.03 * (1 - kept) - 0.01,
                         "sensitivity_high": np.minimum(kept + 0.01, 1)})  # fmt: skip


def readers() -> pd.DataFrame:
    rows = [
        ("sensitivity", "without triage", 0.872, 0.823, 0.917),
        ("sensitivity", "with triage", 0.862, 0.812, 0.909),
        ("specificity", "without triage", 0.891, 0.888, 0.894),
        ("specificity", "with triage", 0.902, 0.899, 0.905),
    ]
    return pd.DataFrame(rows, columns=["measure", "setting", "estimate", "ci_low", "ci_high"])


def differences() -> pd.DataFrame:
    rows = [("sensitivity", -0.0106, -0.029, -0.001), ("specificity", 0.0109, 0.0101, 0.0118)]
    return pd.DataFrame(rows, columns=["measure", "difference", "ci_low", "ci_high"])


def rules() -> pd.DataFrame:
    rows = [
        ("lowest caught cancer", 0.04, 0.03, 0.05, 0.02, 0.36, "0 caught cancers lost"),
        ("certified 95%", 0.35, 0.31, 0.38, 0.04, 0.62, "3 caught cancers lost"),
    ]
    names = ["estimate", "ci_low", "ci_high", "replayed_low", "replayed_high", "verdict"]
    return pd.DataFrame(rows, columns=["rule", *names])


def changes() -> pd.DataFrame:
    rows = [
        ("rule out", "sensitivity", -0.01, -0.03, 0.0),
        ("rule out", "specificity", 0.012, 0.004, 0.021),
        ("second reader", "sensitivity", 0.03, 0.01, 0.06),
        ("second reader", "specificity", -0.1, -0.12, -0.08),
    ]
    names = ["pathway", "measure", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=names)


def turnaround() -> pd.DataFrame:
    rows = [
        (clinic, group, order, hours, 0.8 * hours, 1.3 * hours)
        for clinic in ("0.6% with cancer", "6% with cancer")
        for group, pair in (("cancer", (2.9, 1.0)), ("no cancer", (2.4, 2.5)))
        for order, hours in zip(("by arrival", "by score"), pair, strict=True)
    ]
    return pd.DataFrame(rows, columns=["clinic", "group", "order", "estimate", "ci_low", "ci_high"])


def benefits() -> pd.DataFrame:
    risk = np.array([0.005, 0.01, 0.02, 0.04])
    frames = []
    for name, found, recalled in (
        ("readers", 0.0057, 0.117), ("readers with triage", 0.0056, 0.105),
        ("model alone", 0.005, 0.2), ("recall all", 0.0065, 0.9935),
    ):  # fmt: skip
        value = found - recalled * risk / (1 - risk)
        frames.append(pd.DataFrame({"curve": name, "threshold_probability": risk, "value": value,
                                    "low": value - 0.001, "high": value + 0.001}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def moved() -> pd.DataFrame:
    shift = np.linspace(-0.5, 0.5, 5)
    frames = []
    for name, slope in (("sensitivity", 0.2), ("specificity", -0.18)):
        value = slope * shift - 0.01
        frames.append(pd.DataFrame({"measure": name, "shift": shift, "value": value,
                                    "low": value - 0.02, "high": value + 0.02}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def subgroups() -> pd.DataFrame:
    groups = {
        "": ["all"],
        "Age, years": ["40-49", "50-59", "60-69", "70+"],
        "Race and ethnicity": ["white", "black", "asian", "hispanic", "other"],
        "Density": ["a", "b", "c", "d"],
        "Device": ["alder", "birch", "cedar", "dogwood"],
    }
    rng = np.random.default_rng(5)
    rows = []
    for group, levels in groups.items():
        for level in levels:
            n = 188 if group == "" else int(rng.integers(4, 90))
            centre, half = 0.78 + rng.normal(0, 0.03), 0.57 / np.sqrt(n)
            rows.append((group, level, centre, centre - half, min(1, centre + half), n))
    return pd.DataFrame(
        rows, columns=["group", "subgroup", "estimate", "ci_low", "ci_high", "n_events"]
    )


def subgroup_gaps() -> pd.DataFrame:
    """One survives, one runs past the axis at -0.4, one is too small."""
    data = subgroups()[1:].drop(columns=["estimate", "ci_low", "ci_high"]).reset_index(drop=True)
    error = 0.3 / np.sqrt(data["n_events"])
    gap = pd.Series(np.random.default_rng(6).normal(0, error))
    gap[2], error[2] = -0.2, 0.05
    gap[4], error[4] = -0.1, 0.15
    gap[9] = np.nan
    return data.assign(
        gap=gap, gap_low=gap - 2 * error, gap_high=gap + 2 * error,
        simultaneous_low=gap - 3 * error, simultaneous_high=gap + 3 * error,
        detectable_gap=(3.84 * error).where(gap.notna()), survives=gap + 3 * error < 0,
    )  # fmt: skip


def subgroup_changes() -> pd.DataFrame:
    """Changes in sensitivity, with counts in words."""
    data = subgroups()
    lost = (data["n_events"] * 0.03).round()
    low = -lost / data["n_events"] - 0.05
    count = [f"{k:.0f} of {n}" for k, n in zip(lost, data["n_events"], strict=True)]
    return data.assign(estimate=-lost / data["n_events"], ci_low=low, ci_high=0.0, count=count)


def risk_auc() -> pd.DataFrame:
    rows = [
        ("Gail", 0.597, 0.561, 0.633, np.nan, np.nan, np.nan),
        ("risk factors", 0.641, 0.606, 0.676, 0.67, 0.62, 0.72),
        ("image", 0.673, 0.639, 0.707, 0.68, 0.64, 0.73),
        ("hybrid", 0.701, 0.668, 0.734, 0.70, 0.66, 0.75),
    ]
    columns = ["model", "estimate", "ci_low", "ci_high", "published", "published_low",
               "published_high"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns).assign(horizon_years=5.0)


def incidence() -> pd.DataFrame:
    t = np.linspace(0, 5, 21)
    frames = []
    for number, name in enumerate(["lowest fifth", "second", "third", "fourth", "highest fifth"]):
        y = 0.0012 * (number + 1) ** 1.5 * t
        frames.append(pd.DataFrame({"group": name, "time_years": t, "incidence": y,
                                    "ci_low": 0.8 * y, "ci_high": 1.2 * y}))  # fmt: skip
    return pd.concat(frames)


def auc_years() -> pd.DataFrame:
    rows = [
        (model, year, base + 0.01 * year, base - 0.05, base + 0.08, 30 * year)
        for model, base in (("Gail", 0.56), ("Hybrid", 0.62))
        for year in (1.0, 2.0, 5.0)
    ]
    names = ["model", "horizon_years", "estimate", "ci_low", "ci_high", "n_events"]
    return pd.DataFrame(rows, columns=names)


def exclusion() -> pd.DataFrame:
    rows = [
        (model, exams, value, value - 0.05, value + 0.05)
        for model in ("Gail", "Image only")
        for exams, value in (("with", 0.68), ("without", 0.63), ("with minus without", 0.05))
    ]
    return pd.DataFrame(rows, columns=["model", "exams", "estimate", "ci_low", "ci_high"])


def deciles() -> pd.DataFrame:
    predicted = np.geomspace(0.005, 0.06, 10)
    return pd.DataFrame({"predicted": predicted, "observed": 1.1 * predicted,
                         "ci_low": 0.6 * predicted, "ci_high": 1.8 * predicted,
                         "n_exams": 80, "n_events": np.arange(10) + 3})  # fmt: skip


def captured() -> pd.DataFrame:
    rows = [
        ("Gail", "top", 0.2, 0.12, 0.29, np.nan), ("Gail", "bottom", 0.08, 0.03, 0.13, np.nan),
        ("Hybrid", "top", 0.24, 0.16, 0.35, 0.31), ("Hybrid", "bottom", 0.03, 0.0, 0.06, 0.03),
    ]  # fmt: skip
    names = ["model", "end", "estimate", "ci_low", "ci_high", "published"]
    return pd.DataFrame(rows, columns=names)


def cells() -> pd.DataFrame:
    levels = ("low", "middle", "high")
    rows = [
        (row, column, 0.01 * (i + j + 1), 0.004, 0.05, 80, 10 + i, "", i + j)
        for i, row in enumerate(levels)
        for j, column in enumerate(levels)
    ]
    names = ["row", "column", "incidence", "ci_low", "ci_high", "n_exams", "n_events", "reason"]
    return pd.DataFrame(rows, columns=[*names, "image"])


def policies() -> pd.DataFrame:
    rows = [
        ("MRI, top 10%, Hybrid", "model", 353.0, 268.0, 447.0, 0.6, 0.3, 1.0),
        ("MRI, chance", "chance", 379.0, 300.0, 460.0, 0.2, 0.1, 0.3),
    ]
    names = ["cost", "cost_low", "cost_high", "gain", "gain_low", "gain_high"]
    return pd.DataFrame(rows, columns=["policy", "chosen_by", *names])


def pitfalls() -> pd.DataFrame:
    rows = [("enriched test set", 0.947, 0.931, 0.963, 0.781, 0.744, 0.818, True),
            ("year and device alone", 0.968, 0.955, 0.980, 0.5, 0.46, 0.54, True)]  # fmt: skip
    columns = ["pitfall", "reported", "reported_low", "reported_high", "true", "true_low",
               "true_high", "guard_fired"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def dial() -> pd.DataFrame:
    """One failure at three doses, as the table `pitfalls` holds it."""
    rows = [(dose, 0.8 + 0.15 * dose, 0.8 - 0.1 * dose, 0.8, dose > 0) for dose in (0.0, 0.5, 1.0)]
    frame = pd.DataFrame(rows, columns=["dose", "reported", "true", "repaired", "guard_fired"])
    for part in ("reported", "true", "repaired"):
        frame = frame.assign(
            **{f"{part}_low": frame[part] - 0.03, f"{part}_high": frame[part] + 0.03}
        )
    return frame.assign(
        failure="sources", setting=frame["dose"], guard_statistic=0.9, guard_limit=0.6
    )


def failures() -> pd.DataFrame:
    """The cards of three failures, one of a chapter, at the full dose; one has no repair."""
    full = dial().query("dose == 1")
    cards = [("Data", "Two sources", "AUC"), ("Models", "Odds", "AUC"), ("Analysis", "Mean", "AUC")]
    frame = pd.concat(
        [
            full.assign(failure=title, chapter=chapter, title=title, metric=metric)
            for chapter, title, metric in cards
        ],
        ignore_index=True,
    ).assign(guard="metadata_auc", repair="Collect alike.", cost="Time.", source="Zech 2018")
    frame.loc[2, ["repaired", "repaired_low", "repaired_high"]] = np.nan
    return frame


def guarded() -> pd.DataFrame:
    rows = [("overlap", "share of women", dose, rate, max(rate - 0.1, 0), min(rate + 0.1, 1))
            for dose, rate in ((0.0, 0.02), (0.01, 0.4), (0.05, 1.0))]  # fmt: skip
    return pd.DataFrame(rows, columns=["guard", "dirt", "dose", "rate", "low", "high"])


def needed() -> pd.DataFrame:
    rows = [(auc, looks, 134 * looks**0.2, 16) for looks in (1, 40) for auc in (0.7, 0.75, 0.8)]
    return pd.DataFrame(rows, columns=["auc_group", "n_looks", "n_cancers", "n_cancers_here"])


def replicated() -> pd.DataFrame:
    rows = [(10, 0.03, 0.03, 0.02, 0.04), (1000, 0.4, 0.41, 0.38, 0.44)]
    names = ["n_replicates", "error", "simulated", "simulated_low", "simulated_high"]
    return pd.DataFrame(rows, columns=names)


def left_out() -> pd.DataFrame:
    rows = [
        ("", "kept", 0.44, 0.42, 0.94, 0.87, 85),
        ("Reason", "dense breast", 0.46, 0.5, 0.83, 0.85, 100),
    ]
    names = ["heading", "group", "share_women", "share_cancers", "sensitivity", "auc", "n_cancers"]
    frame = pd.DataFrame(rows, columns=names)
    for part in ("sensitivity", "auc"):
        frame = frame.assign(
            **{f"{part}_low": frame[part] - 0.05, f"{part}_high": frame[part] + 0.05}
        )
    return frame


def years(enriched: bool) -> pd.DataFrame:
    frame = cohort()
    if enriched:
        keep = frame["cancer_within_1y"] | (
            (frame["exam_year"] > 2013) & (frame["device"] == "alder")
        )
        frame = frame[keep]
    return year_shares(frame, frame["cancer_within_1y"])


def composed() -> pd.DataFrame:
    frame = cohort()
    groups = np.where(frame["cancer_within_1y"], "cancer", "no cancer")
    titles = {
        "age_band": "Age, years",
        "race_ethnicity": "Race and ethnicity",
        "density": "Density",
    }
    return composition(frame, titles, groups)


def contact() -> pd.DataFrame:
    return pd.DataFrame(
        {"row": [*range(15), None], "label": [f"alder · {v}" for v in ["L CC", "L MLO", "R CC", "R MLO"] * 4],
         "group": ["cancer"] * 4 + ["no cancer"] * 12}
    )  # fmt: skip


def overlays() -> pd.DataFrame:
    """Two pictures in a row, the second of which there is not."""
    at = [0, 0, 0, None, None, None]
    return pd.DataFrame(
        {"image": at, "overlay": [None, 1, 2, None, None, None],
         "title": ["found, 12 mm, 99%", "Grad-CAM: hit", "occlusion: miss", None, None, None],
         "row_title": ["mass", *[None] * 5], "outline_row": [None, 100, 100, None, None, None],
         "outline_column": at, "outline_radius": [None, 12, 12, None, None, None],
         "peak_row": [None, 104.0, 180.5, None, None, None], "peak_column": [None, 9, 40, None, None, None]}
    )  # fmt: skip


def shares() -> pd.DataFrame:
    rows = [
        ("", "all", "Grad-CAM", 0.41, 0.35, 0.47, 0.034),
        ("", "all", "occlusion", 0.72, 0.61, 0.83, 0.036),
        ("Kind", "mass", "Grad-CAM", 0.5, 0.4, 0.6, 0.04),
        ("Kind", "mass", "occlusion", np.nan, np.nan, np.nan, np.nan),
    ]
    return pd.DataFrame(
        rows, columns=["group", "level", "series", "estimate", "ci_low", "ci_high", "chance"]
    )


def figures(store_path: Path) -> dict[str, tuple]:
    """Every figure of the paper: name -> (size, columns, panels of (plot, data, options))."""
    b, c, d, e, f, m, p, r, k, y, s, t, o, g = (
        plots_calibration,
        plots_cohort,
        plots_detection,
        plots_explain,
        plots_flow,
        plots_model,
        plots_pathways,
        plots_risk,
        plots_risk_groups,
        plots_policy,
        plots_study,
        plots_triage,
        plots_outcome,
        plots_subgroups,
    )
    double = figure_size("double", 0.3)
    return {
        "01_world_targets": (figure_size("single", 0.68), 1, [(c.world_targets, world_targets(), {})]),
        "02_cohort_flow": (figure_size("single", 1.05), 1, [(f.cohort_flow, flow(), {"branches": {
            "Training": "100 women", "Development": "200 women", "Test": "300 women\n30 cancers"}})]),
        "02_cohort_composition": (figure_size("single", 0.78), 1, [(c.cohort_composition, composed(), {})]),
        "03_images_contact_sheet": (figure_size("double", 0.36), 1, [
            (c.contact_sheet, contact(), {"store_path": str(store_path), "columns": 8})]),
        "04_detection_training": (figure_size("single", 1.1), 1, [
            (m.training_history, history(), {"curves": ["train_loss", "dev_loss"], "ylabel": "loss", "chosen_epoch": 9}),
            (m.training_history, history(), {"curves": ["dev_auc", "dev_triage"], "ylabel": "", "chosen_epoch": 9})]),
        "04_detection_roc": (figure_size("single", 0.9), 1, [(m.roc, roc(), {
            "labels": {"network": "network, AUC 0.78 (0.74–0.82)"},
            "points": [{"label": "readers", "sensitivity": 0.872, "specificity": 0.891,
                        "sensitivity_low": 0.823, "sensitivity_high": 0.917}]})]),
        "04_detection_ladder": (figure_size("single", 0.5), 1, [(d.auc_ladder, ladder(), {})]),
        "05_training_choices_first_weights": (double, 2, [
            (s.curves_over_steps, curves(), {"value": "loss", "ylabel": "training loss"}),
            (s.curves_over_steps, curves(), {"value": "dev_auc", "ylabel": "dev AUC"})]),
        "05_training_choices_choices": (double, 2, [
            (s.ways_compared, ways(), {"title": "Batch size", "limits": (0.6, 0.9)}),
            (s.ways_compared, ways().drop(columns="series"), {"title": "Pooling"})]),
        "05_training_choices_learning": (double, 1, [
            (s.ways_compared, ways(), {"ceiling": 0.95, "xlabel": "share"})]),
        "06_calibration_overconfidence": (double, 2, [
            (b.score_distributions, logit_bins(*raw_scores()), {"prevalence": 0.006}),
            (b.reliability, reliability(), {"per": 1000, "note": "10 bins, 188 cancers"})]),
        "06_calibration_reliability": (figure_size("single", 0.8), 1, [
            (b.reliability, reliability(), {"per": 1000})]),
        "07_triage_percentiles": (figure_size("single", 0.8), 1, [
            (t.score_percentiles, percentiles(), {"threshold_percentile": 19.0})]),
        "07_triage_threshold": (figure_size("single", 0.7), 1, [
            (t.triage_threshold, threshold(), {"chosen": 0.00082, "target_sensitivity": 0.95})]),
        "07_triage_readers": (double, 2, [
            (t.readers_paired, readers(), {"margin": 0.05}),
            (t.noninferiority, differences(), {"margin": 0.05})]),
        "07_triage_promises": (double, 2, [
            (p.rule_outcomes, rules(), {}),
            (p.promise_lines, promise_table([0.9, 0.95, 0.98], [0, 1, 3]),
             {"n_here": 158, "promised_here": 0.97})]),
        "07_triage_quiz": (figure_size("double", 0.38), 1, [
            (c.contact_sheet, contact(), {"store_path": str(store_path), "columns": 8})]),
        "07_triage_pathways": (figure_size("single", 0.95), 1, [
            (p.pathway_changes, changes(),
             {"readings": {"rule out": "851", "second reader": "1,000"}, "margin": 0.05})]),
        "07_triage_worklist": (figure_size("single", 0.85), 1, [
            (p.worklist_turnaround, turnaround(), {})]),
        "07_triage_consequences": (double, 2, [
            (p.net_benefit_curves, benefits(), {}),
            (p.criterion_change, moved(), {"rational_shift": 0.06})]),
        "08_subgroups_forest": (figure_size("single", 1.1), 1, [
            (o.forest, subgroups(), {"reference": 0.78})]),
        "08_subgroups_gaps": (figure_size("double", 0.6), 2, [
            (g.gaps, subgroup_gaps(), {"title": "One factor", "limits": (-0.4, 0.2)}),
            (g.gaps, subgroup_gaps(), {})]),
        "08_subgroups_triage_by_group": (figure_size("double", 0.6), 2, [
            (o.forest, subgroups(), {"percent": True, "count_head": "ruled out"}),
            (o.forest, subgroup_changes(), {"percent": True, "unit": "points", "digits": 1,
                                            "count_head": "lost of caught", "label_rows": False})]),
        "08_subgroups_calibration": (figure_size("single", 1.1), 1, [
            (o.forest, subgroups(), {"reference": 1.0, "ratio": True})]),
        "09_risk_auc": (figure_size("single", 0.55), 1, [(m.auc_bars, risk_auc(), {})]),
        "09_risk_incidence": (figure_size("single", 0.7), 1, [
            (r.incidence_by_decile, incidence().assign(ci_low=0.0, ci_high=0.05),
             {"labelled": ["lowest fifth"], "group_title": "predicted risk"})]),
        "09_risk_auc_by_year": (figure_size("single", 0.8), 1, [(r.auc_by_year, auc_years(), {})]),
        "09_risk_exclusion": (figure_size("single", 0.75), 1, [(r.exclusion_pairs, exclusion(), {})]),
        "09_risk_calibration": (figure_size("double", 0.42), 1, [
            (k.calibration_deciles, deciles(), {"log": True, "note": "expected over observed 1.1"})]),
        "09_risk_capture": (figure_size("single", 0.75), 1, [(k.capture, captured(), {})]),
        "09_risk_subgroups": (figure_size("double", 0.55), 1, [(o.forest, subgroups(), {})]),
        "09_risk_grid": (figure_size("double", 0.62), 1, [
            (k.risk_grid, cells(), {"ylabel": "image", "xlabel": "factors", "store_path": str(store_path)})]),
        "09_risk_policy": (figure_size("double", 0.45), 1, [
            (y.trade_off, policies(), {"xlabel": "examinations", "ylabel": "interval cancers"})]),
        "10_explanations_maps": (figure_size("double", 1.1), 1, [
            (e.overlay_sheet, overlays(), {"store_path": str(store_path), "columns": 6})]),
        "10_explanations_localisation": (figure_size("double", 0.46), 2, [
            (e.shares_by_group, shares(), {"title": "Points at the lesion"}),
            (e.shares_by_group, shares(), {"label_rows": False, "label_series": False, "limit": 0.8})]),
        "10_explanations_marker": (figure_size("double", 0.225), 1, [
            (e.overlay_sheet, overlays(), {"store_path": str(store_path), "columns": 6})]),
        "11_pitfalls_data_sources": (figure_size("single", 0.42), 1, [
            (o.pitfall_dumbbell, pitfalls(), {})]),
        "11_pitfalls_data_composition": (figure_size("double", 0.32), 2, [
            (c.mirror_composition, years(False), {"label_categories": False, "title": "cohort"}),
            (c.mirror_composition, years(True), {"title": "enriched set"})]),
        "11_pitfalls_data_who_pays": (figure_size("double", 0.4), 2, [
            (plots_exclusion.left_out_shares, left_out(), {"title": "Who"}),
            (plots_exclusion.left_out_performance, left_out(), {"label_rows": False})]),
        "12_pitfalls_models_repairs": (figure_size("double", 0.3), 1, [
            (plots_device.interval_rows, left_out().rename(columns={"group": "name"}),
             {"measures": {"auc": "AUC"}, "xlabel": "AUC"})]),
        "13_pitfalls_analysis_scoreboard": (figure_size("double", 0.5), 1, [
            (plots_pitfalls.scoreboard, failures(), {})]),
        "13_pitfalls_analysis_guards": (figure_size("double", 0.5), 1, [
            (plots_guards.guard_power, guarded(), {})]),
        "13_pitfalls_analysis_cancers_to_know": (figure_size("single", 0.7), 1, [
            (plots_pitfalls_analysis.cancers_to_know, needed(), {"auc_rest": 0.85})]),
        "13_pitfalls_analysis_replicates": (figure_size("single", 0.7), 1, [
            (plots_pitfalls_analysis.replicate_error, replicated(), {"nominal": 0.025})]),
        **{name: (figure_size("double", 0.4), 2, [
            (plots_pitfalls.dose_response, dial(), {"xlabel": "share", "ylabel": "AUC", "title": "sources"})] * 2)
           for name in ("11_pitfalls_data_doses", "12_pitfalls_models_doses",
                        "13_pitfalls_analysis_doses")},
    }  # fmt: skip


def draw(size: tuple, columns: int, panels: list[tuple]):
    """Draw panels as a chapter does."""
    with style():
        rows = -(-len(panels) // columns)
        figure, axes = plt.subplots(
            rows, columns, figsize=size, squeeze=False, layout="constrained"
        )
        for ax, (plot, data, options) in zip(axes.flat, panels, strict=True):
            assert plot(ax, data, **options) is ax
        plt.close(figure)
    return figure


def number(key: str) -> dict:
    """The invented number of a key, in the shape a chapter writes."""
    given = NUMBERS[key]
    value, low, high = given if isinstance(given, tuple) else (given, None, None)
    return {"value": value, "ci_low": low, "ci_high": high, "unit": "", "n": None,
            "chapter": chapter_of(key)}  # fmt: skip


def write_numbers(run: RunPaths, without: str = "") -> None:
    """Write numbers/<chapter>.json of every chapter, leaving out the key `without`."""
    run.numbers.mkdir(parents=True, exist_ok=True)
    by_chapter: dict[str, dict] = {}
    for key in NUMBERS:
        if key != without:
            by_chapter.setdefault(chapter_of(key), {})[key] = number(key)
    for chapter, content in by_chapter.items():
        (run.numbers / f"{chapter}.json").write_text(json.dumps(content))


def write_run(root: Path, real_figures: bool = False) -> RunPaths:
    """An invented run, ready for the paper; plain boxes stand for figures unless asked for."""
    run = RunPaths(root)
    write_numbers(run)
    run.tables.mkdir(parents=True, exist_ok=True)
    write_table(cohort(), run.table("cohort"), "cohort")
    write_table(failures(), run.table("failures"), "failures")
    run.figures.mkdir(exist_ok=True)
    for name, (size, columns, panels) in figures(store(root / "images.npy")).items():
        path = run.figures / f"{name}.svg"
        if real_figures:
            save_svg(draw(size, columns, panels), path)
        else:
            path.write_text(
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{72 * size[0]}" '
                f'height="{72 * size[1]}"><rect width="90%" height="90%" fill="#ccc"/></svg>'
            )
    return run
