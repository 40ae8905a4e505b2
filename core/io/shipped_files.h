#pragma once

#include <filesystem>
#include <string>
#include <vector>

/// The files in configs/ that come along with the program: models, recipes, data sets, each found by its name alone.
namespace rtdetr {

/// The YAML file that a name means: that very file, or, for a name without a folder, the one that comes along. The
/// extension may be left out: "small-data" is small-data.yaml.
/// @param kind  folder of configs/: "models", "recipes", "datasets"
/// @return      empty if there is none
std::filesystem::path find_shipped_file(const std::string& kind, const std::filesystem::path& name);

/// The one of these that comes along, whatever lies in the working folder; empty if there is none.
std::filesystem::path shipped_file(const std::string& kind, const std::string& name);

/// Names of the files that come along, with their extension.
std::vector<std::string> shipped_names(const std::string& kind);

/// "; did you mean 'small-data.yaml'?": the nearest name in the path's own folder, else among those that come along; ""
/// when nothing is near. @param kind  "" for what nothing comes along of
std::string nearest_file(const std::string& kind, const std::filesystem::path& path);

}  // namespace rtdetr
