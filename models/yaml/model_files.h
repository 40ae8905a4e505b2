#pragma once

#include <filesystem>

namespace rtdetr {

/// The file that a model's name means: itself, or one of the models that come along, with or without ".yaml" and a
/// scale letter. @return  empty if there is none
std::filesystem::path find_model_file(const std::filesystem::path& name);

}  // namespace rtdetr
