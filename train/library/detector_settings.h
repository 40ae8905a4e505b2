#pragma once

#include <string>
#include <vector>

#include "models/deploy/detector.h"

namespace rtdetr {

/// Options of a detector from "key=value" words: the fields of DetectorOptions, and the program's keys for some of
/// them.
/// @param options  what holds where no word says otherwise
/// @throws ConfigError  naming every word that is wrong, one per line
DetectorOptions detector_options(const std::vector<std::string>& words, DetectorOptions options = {});

}  // namespace rtdetr
