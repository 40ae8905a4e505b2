#include "train/commands/weights_listing.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/weights/weights_file.h"
#include "models/weights/architecture.h"
#include "models/weights/hugging_face_config.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

std::string shape_text(const WeightTensor& tensor) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

/// What the weights belong to, or why that cannot be said.
std::string words_for_model(const WeightsFile& file, const std::filesystem::path& path) {
  try {
    const Architecture found = recognise_architecture(file, path);
    return found.sentence + (found.assumed.empty() ? "" : "; assumed: " + join(found.assumed, "; "));
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

void list_weights(const Settings& settings) {
  const std::filesystem::path path = weights_file_in(settings.model);
  const auto file = open_weights(path);
  const std::string recognised = words_for_model(*file, path);
  TextTable table(
      {{"type", TextTable::Align::kLeft}, {"shape", TextTable::Align::kLeft}, {"tensor", TextTable::Align::kLeft}});
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  std::uint64_t bytes = 0;
  for (const WeightTensor& tensor : file->tensors()) {
    table.add({type_name(tensor.type), shape_text(tensor), tensor.name});
    tensors.push_back({{"name", tensor.name}, {"type", type_name(tensor.type)}, {"shape", tensor.shape}});
    bytes += tensor.bytes;
  }
  const std::string name = shell_word(settings.model);
  print_text(settings, table.text() + "\n" + settings.model + ": a " + file->format() + " file, " +
                           counted(static_cast<long long>(file->tensors().size()), "tensor") + ", " +
                           with_thousands(static_cast<long long>(bytes)) + " bytes; nothing in it was executed\n" +
                           wrapped(recognised, 2) + "\n\nnext: rtdetr convert weights=" + name +
                           " output=best.safetensors\n");
  print_json(settings, {{"model", settings.model},
                        {"format", file->format()},
                        {"recognised", recognised},
                        {"bytes", bytes},
                        {"tensors", tensors},
                        {"metadata", file->metadata()}});
}

}  // namespace rtdetr
