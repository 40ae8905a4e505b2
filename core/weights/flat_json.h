#pragma once

#include <filesystem>

#include "core/io/safetensors.h"

namespace rtdetr {

/// Every text, number and truth of a small JSON file by its path, `id2label.0`, as it is written; nulls are left out.
/// @throws CheckpointError  naming the file and the place: no JSON, too large, too deep, one path twice; IoError
FileMetadata flat_json(const std::filesystem::path& file);

}  // namespace rtdetr
