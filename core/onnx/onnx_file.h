#pragma once

#include "core/base/cpp20.h"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/io/file.h"
#include "core/onnx/onnx_model.h"

/// ONNX files: one protobuf message (proto_wire.h), the constants' bytes among it.
namespace rtdetr {

/// Hands the file's bytes to `sink`, piece by piece; those of a constant come straight from the model.
/// @throws ConfigError  if they were 2 GiB or more, which protobuf cannot hold
void stream_onnx(const OnnxModel& model, const std::function<void(std::string_view)>& sink);
/// The same into a file, atomically (file.h). @throws ConfigError, IoError
void write_onnx(const std::filesystem::path& file, const OnnxModel& model, const AtomicWriteOptions& options = {});

/// Reads what we write and refuses all else: unknown fields, types and domains, constants whose bytes do not fit their
/// shape, and graphs whose names are not each given once, before they are used. Memory: the file twice, and no more
/// than 256 MiB of structure.
/// @throws CheckpointError  naming the file and the rule; IoError
OnnxModel read_onnx(const std::filesystem::path& file);
/// @param origin  what messages call the bytes
OnnxModel parse_onnx(std::string_view bytes, const std::string& origin);

std::size_t onnx_element_size(OnnxType type);

}  // namespace rtdetr
