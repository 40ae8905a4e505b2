#include <nlohmann/json.hpp>

#include "train/commands/commands.h"
#include "train/commands/version_text.h"
#include "train/process/processor.h"
#include "train/report/output.h"

namespace rtdetr {

ExitCode run_version(const Settings& settings) {
  const Versions v = versions();
  print_text(settings, version_text());
  print_json(settings, {{"program", v.program},
                        {"libtorch", v.libtorch},
                        {"compiler", v.compiler},
                        {"cpu_capability", v.cpu_capability},
                        {"physical_cores", physical_cores()}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
