#include "train/commands/weights_listing.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/io/utf8.h"
#include "core/weights/hugging_face.h"
#include "core/weights/weights_file.h"
#include "models/weights/architecture.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

std::string shape_text(const WeightTensor& tensor) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

struct Recognition {
  bool succeeded = false;
  std::string words;  ///< what the weights belong to, or why that cannot be said
};

/// A fault of reading is no such reason, and stops the listing.
Recognition recognition_of(const WeightsFile& file, const std::filesystem::path& path) {
  try {
    const Architecture found = recognise_architecture(file, path);
    return {true, found.sentence + (found.assumed.empty() ? "" : "; assumed: " + join(found.assumed, "; "))};
  } catch (const CheckpointError& error) {
    return {false, error.what()};
  } catch (const ModelError& error) {
    return {false, error.what()};
  }
}

}  // namespace

void list_weights(const Settings& settings) {
  const std::filesystem::path path = weights_file_at(settings.model);
  const auto file = open_weights(path);
  const Recognition recognised = recognition_of(*file, path);
  TextTable table(
      {{"type", TextTable::Align::kLeft}, {"shape", TextTable::Align::kLeft}, {"tensor", TextTable::Align::kLeft}});
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  std::uint64_t bytes = 0;
  for (const WeightTensor& tensor : file->tensors()) {
    table.add({type_name(tensor.type), shape_text(tensor), printable(tensor.name)});
    tensors.push_back({{"name", tensor.name}, {"type", type_name(tensor.type)}, {"shape", tensor.shape}});
    bytes += tensor.bytes;
  }
  const std::string next = recognised.succeeded ? "\nnext: rtdetr convert weights=" + shell_word(settings.model) +
                                                      " output=best.safetensors\n"
                                                : "";
  print_text(settings, table.text() + "\n" + settings.model + ": a " + file->format() + " file, " +
                           counted(static_cast<long long>(file->tensors().size()), "tensor") + ", " +
                           with_thousands(static_cast<long long>(bytes)) + " bytes; nothing in it was executed\n" +
                           wrapped(without_controls(recognised.words), 2) + "\n" + next);
  print_json(settings, {{"model", settings.model},
                        {"format", file->format()},
                        {"recognised", recognised.words},
                        {"bytes", bytes},
                        {"tensors", tensors},
                        {"metadata", file->metadata()}});
}

}  // namespace rtdetr
