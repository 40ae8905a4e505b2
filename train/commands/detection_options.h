#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/image/rgb_view.h"
#include "models/deploy/detector.h"
#include "models/deploy/tiling.h"
#include "models/deploy/wanted_pairs.h"
#include "models/graph/head.h"
#include "models/weights/checkpoint.h"
#include "train/config/settings.h"

/// What the keys of predict, val and benchmark mean to detection.
namespace rtdetr {

/// What classes= and one_class_per_query= ask for, of a model whose classes are `names`. An entry of classes= is a
/// class's name, or else its number from 0 on.
/// @throws ConfigError  for an entry that is neither
WantedPairs chosen_pairs(const Settings& settings, const std::vector<std::string>& names);

/// What iou= and agnostic_nms= ask of a model that ends in `head`. @throws ConfigError  where nothing is suppressed
SuppressionChoice chosen_suppression(const Settings& settings, const Head& head);
void set_suppression(const Settings& settings, const Head& head, DetectorOptions& options);

/// @param precision  as amp= was settled (model_precision)
DetectorOptions detector_options(const Settings& settings, Precision precision);
/// @param loaded  model= under decoder_layers= and num_queries=
Detector make_detector(const Settings& settings, LoadedModel loaded, DetectorOptions options);

/// Of tile=, which is above 0.
TileOptions tile_options(const Settings& settings);
/// Each picture as a whole, or with tile= in tiles. @param times  of all of them together
std::vector<std::vector<Detection>> detect_pictures(const Settings& settings, const Detector& detector,
                                                    std::span<const RgbView> pictures, DetectionTimes& times);

}  // namespace rtdetr
