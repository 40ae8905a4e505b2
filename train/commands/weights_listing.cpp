#include "train/commands/weights_listing.h"

#include <nlohmann/json.hpp>

#include "core/base/text.h"
#include "core/weights/weights_file.h"
#include "train/report/output.h"

namespace rtdetr {
namespace {

std::string shape_text(const WeightTensor& tensor) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : tensor.shape) sizes.push_back(std::to_string(size));
  return "[" + join(sizes, ", ") + "]";
}

}  // namespace

void list_weights(const Settings& settings) {
  const auto file = open_weights(settings.model);
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
                           with_thousands(static_cast<long long>(bytes)) +
                           " bytes; nothing in it was executed\n\nnext: rtdetr train cfg=finetune model=YAML weights=" +
                           name + " data=bccd\n");
  print_json(settings, {{"model", settings.model},
                        {"format", file->format()},
                        {"bytes", bytes},
                        {"tensors", tensors},
                        {"metadata", file->metadata()}});
}

}  // namespace rtdetr
