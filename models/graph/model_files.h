#pragma once

#include <filesystem>
#include <string>

#include "models/graph/model_spec.h"

/// From a name or a text to a checked model specification.
namespace rtdetr {

/// The file that a model's name means: itself, or one of the models that come along, with or without ".yaml" and a
/// scale letter. @return  empty if there is none
std::filesystem::path find_model_file(const std::filesystem::path& name);

/// The scale letter of `yolov8n-rtdetr`, and the stem without it. Only names of this family carry one.
struct LetteredName {
  std::string letter, stem;
};
LetteredName split_scale_letter(const std::string& stem);
/// The way back; names of other families stay as they are.
std::string with_scale_letter(const LetteredName& name);

/// @throws ModelError  file:line, the row, what was expected, for every mistake of form or meaning
ModelSpec parse_model_spec(const std::string& text, const std::string& origin, const std::string& scale = "");
/// `file` as given, else below configs/models of the source tree or the installation, with the scale-letter habit
/// of `yolov8n-rtdetr.yaml`.
ModelSpec load_model_spec(const std::filesystem::path& file, const std::string& scale = "");

}  // namespace rtdetr
