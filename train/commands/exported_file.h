#pragma once

#include <filesystem>
#include <functional>

#include "core/io/file.h"

/// What the formats of `export` have in common: files that get their names only when what was read back from them is
/// right.
namespace rtdetr {

/// The text with which a stopped export ends.
inline constexpr const char* kNothingWritten = "nothing was written";

/// Calls `write(options)` whose options read the file back by `verify` before it gets its name. Temporary files of
/// killed exports are removed first; a folder that cannot be synced is a warning.
void write_exported(const std::filesystem::path& target, const std::function<void(const AtomicWriteOptions&)>& write,
                    const std::function<void(const std::filesystem::path&)>& verify);

}  // namespace rtdetr
