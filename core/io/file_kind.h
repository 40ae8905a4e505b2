#pragma once

#include <filesystem>
#include <string>

namespace rtdetr {

class ReadOnlyFile;  // core/io/read_only_file.h

/// Says what a file is that was given as a model and is none of ours, and what reads it: "an ONNX model; ONNX
/// Runtime reads it". Judged by its first bytes, then, if those are unknown, by its name.
/// @return  "" if neither says; text and safetensors files are among those
/// @throws IoError
std::string describe_foreign_model(const ReadOnlyFile& file);
std::string describe_foreign_model(const std::filesystem::path& file);

}  // namespace rtdetr
