#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "train/config/settings.h"

/// The smallest training run that takes every path of a large one: a model of 32 wide with one AIFI and two decoder
/// layers, 64 × 64 pictures of coloured rectangles, some without any.
namespace rtdetr::test {

struct MicroOptions {
  int pictures = 24;
  bool denoising = true;
  int decoder_layers = 2;
  bool noise =
      false;  ///< in the pictures, so that no two tokens are equal but for rounding, which would choose among them
};

/// Writes the model YAML, pictures, labels and the dataset YAML into `folder`.
/// @return  settings of a run over them, its project in `folder`/runs: 3 epochs of 6 steps, batch 4, one worker
Settings make_micro_run(const std::filesystem::path& folder, const MicroOptions& options = {});

/// The same run as words of the command line, continued if it is there, in one thread.
/// @param changes  keys with another value, and further ones
std::vector<std::string> micro_command(const Settings& settings, const std::string& name,
                                       const std::map<std::string, std::string>& changes = {});

}  // namespace rtdetr::test
