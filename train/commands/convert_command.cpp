#include "data/tools/convert.h"

#include <nlohmann/json.hpp>

#include "core/base/choices.h"
#include "core/base/text.h"
#include "train/commands/commands.h"
#include "train/commands/convert_weights.h"
#include "train/report/output.h"

namespace rtdetr {

ExitCode run_convert(const Settings& settings) {
  if (!settings.weights.empty()) return convert_weights(settings);
  const ConvertOptions options{.to = chosen("format", settings.format, kWritableFormatWords),
                               .copy_pictures = settings.copy};
  const Conversion conversion = convert_dataset(load_dataset_config(settings.data), settings.output, options);
  TextTable table({{"split", TextTable::Align::kLeft}, {"pictures"}, {"boxes"}, {"left out"}});
  nlohmann::ordered_json splits = nlohmann::ordered_json::array();
  for (const Conversion::Split& split : conversion.splits) {
    table.add({split.key, with_thousands(split.pictures), with_thousands(split.boxes), with_thousands(split.left_out)});
    splits.push_back(
        {{"split", split.key}, {"pictures", split.pictures}, {"boxes", split.boxes}, {"left_out", split.left_out}});
  }
  const std::string config = conversion.config.string();
  const char* const pictures = settings.copy
                                   ? "pictures are copies; the folder stands alone"
                                   : "pictures are links to the originals; copy=true makes a folder that stands alone";
  print_text(settings, table.text() + "\n" + config + ": " + pictures +
                           "\n\nnext: rtdetr check data=" + shell_word(config) + "\n");
  print_json(settings, {{"output", settings.output},
                        {"format", settings.format},
                        {"copy", settings.copy},
                        {"data", config},
                        {"splits", splits}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
