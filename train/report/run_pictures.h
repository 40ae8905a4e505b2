#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "data/dataset/dataset.h"
#include "train/evaluation/evaluator.h"

/// Pictures of a run folder.
namespace rtdetr {

/// Draws one of the below. Pictures are for people: one that cannot be written, whatever the reason, is a warning, and
/// the run goes on. @param otherwise  what the warning says before the reason
void draw_or_warn(const std::function<void()>& draw, const std::string& otherwise = "a picture is missing");

/// results.png: losses, AP, AP of every decoder layer and learning rates over the epochs of results.csv, or over its
/// steps where it tells them. Charts of what was not measured (a run without validation) are left out.
void write_results_picture(const std::filesystem::path& results_csv, const std::filesystem::path& png);

/// train_batchN.jpg: what the model is given, up to 16 pictures with their boxes after augmentation, each with its
/// file's name; of a mosaic or a blend the name of the one whose turn it is.
void write_batch_picture(const Batch& batch, const Dataset& dataset, const std::filesystem::path& jpg);

/// val_batch{0,1,2}_labels.jpg and _pred.jpg: up to 48 pictures of the data set in sixteens, with their ground truth
/// and with the detections of the last layer from that score on at which F1 is best; from 0.25 on, Ultralytics' habit,
/// where nothing is found at all. Captions of _pred.jpg say which.
void write_validation_pictures(const Dataset& dataset, const Evaluation& evaluation,
                               const std::filesystem::path& folder);

}  // namespace rtdetr
