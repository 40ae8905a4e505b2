#pragma once

#include <filesystem>
#include <string>
#include <string_view>

/// Paths as people and other programs write them on command lines, in YAML files, lists and annotations.
namespace rtdetr {

/// $HOME for the tilde of '~' and '~/…', as a shell does; any other text as it is, and all where $HOME is not set.
std::string expand_home(std::string_view text);

/// 'images\train\a.jpg' with slashes.
std::string with_slashes(std::string_view text);

/// Returns the path that `text` names, relative ones in `folder`; normal in form, whether it is there or not. A
/// backslash is part of a name here and parts names on Windows: where nothing has the name as written, and with slashes
/// something has, that is it.
std::filesystem::path find_written_path(const std::filesystem::path& folder, std::string_view text);

}  // namespace rtdetr
