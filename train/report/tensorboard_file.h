#pragma once

#include <filesystem>

#include "train/run/run_log.h"

namespace rtdetr {

/// Brings TensorBoard's file up to date with results.csv: each column a curve, over epochs, or over steps if the table
/// has them. What is in the file already keeps its bytes, so that a TensorBoard that is open reads on; after a run was
/// set back to a checkpoint the file begins anew. Without a row nothing is written.
/// @throws IoError
void update_tensorboard_file(const ResultsTable& table, const std::filesystem::path& file);

}  // namespace rtdetr
