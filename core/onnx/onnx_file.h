#pragma once

#include "core/base/cpp20.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/io/file.h"
#include "core/onnx/onnx_model.h"

/// ONNX files: one protobuf message (proto_wire.h), the constants' bytes among it.
namespace rtdetr {

/// protobuf refuses messages of 2 GiB.
inline constexpr std::uint64_t kMostOnnxBytes = (std::uint64_t{1} << 31) - 1;

/// Hands the file's bytes to `sink`, piece by piece; those of a constant come straight from the model.
/// @throws ConfigError  if they were more than `limit`; nothing is handed out then
void stream_onnx(const OnnxModel& model, const std::function<void(std::string_view)>& sink,
                 std::uint64_t limit = kMostOnnxBytes);
/// The same into a file, atomically (file.h). @throws ConfigError, IoError
void write_onnx(const std::filesystem::path& file, const OnnxModel& model, const AtomicWriteOptions& options = {});

/// Reads what we write and refuses all else: unknown fields, types and domains, what is missing or there twice, packed
/// numbers, constants whose bytes do not fit their shape, and graphs whose names are not each given once, before they
/// are used. Memory: the file twice, and no more than 256 MiB of structure.
/// @throws CheckpointError  naming the file and the rule, also where it has more bytes than `limit`; IoError
OnnxModel read_onnx(const std::filesystem::path& file, std::uint64_t limit = kMostOnnxBytes);
/// @param origin  what messages call the bytes
OnnxModel parse_onnx(std::string_view bytes, const std::string& origin);

std::size_t onnx_element_size(OnnxType type);

}  // namespace rtdetr
