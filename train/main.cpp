#include <cstdio>
#include <new>
#include <string>
#include <vector>

#include <c10/util/Exception.h>

#include "core/io/error.h"
#include "core/io/log.h"
#include "core/io/text.h"
#include "train/commands/commands.h"
#include "train/machine.h"
#include "train/short_spins.h"

namespace {

using rtdetr::Command;
using rtdetr::ExitCode;

ExitCode run(const rtdetr::Settings& settings) {
  switch (settings.command) {
    case Command::kTrain:
      return rtdetr::run_train(settings);
    case Command::kVal:
      return rtdetr::run_val(settings);
    case Command::kPredict:
      return rtdetr::run_predict(settings);
    case Command::kExport:
      return rtdetr::run_export(settings);
    case Command::kBenchmark:
      return rtdetr::run_benchmark(settings);
    case Command::kInfo:
      return rtdetr::run_info(settings);
    case Command::kCheck:
      return rtdetr::run_check(settings);
    case Command::kConvert:
      return rtdetr::run_convert(settings);
    case Command::kCocoEval:
      return rtdetr::run_coco_eval(settings);
    case Command::kHelp:
      return rtdetr::run_help(settings);
    case Command::kVersion:
      return rtdetr::run_version(settings);
  }
  return ExitCode::kInternal;
}

/// One line on stderr for each thing that is wrong.
int fail(ExitCode code, const std::string& message) {
  rtdetr::log::end_progress();
  for (const std::string& line : rtdetr::split(message, '\n'))
    if (!line.empty()) std::fprintf(stderr, "rtdetr: error: %s\n", line.c_str());
  return static_cast<int>(code);
}

/// LibTorch reports an allocation it could not make as an ordinary error.
int fail_in_libtorch(const c10::Error& error) {
  const std::string text = error.what_without_backtrace();
  if (text.find("not enough memory") != std::string::npos || text.find("out of memory") != std::string::npos)
    return fail(ExitCode::kMemory, "not enough memory; a smaller batch= or imgsz= needs less");
  return fail(ExitCode::kInternal, "LibTorch: " + text.substr(0, text.find('\n')));
}

/// Commands that run a model long enough for the start to be done twice.
bool uses_many_threads(const rtdetr::Settings& settings) {
  const bool works = settings.command == Command::kTrain || settings.command == Command::kVal ||
                     settings.command == Command::kPredict || settings.command == Command::kBenchmark;
  return works && settings.threads != 1;
}

}  // namespace

/// The only place that catches everything.
int main(int argc, char** argv) {
  try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const rtdetr::Settings settings = rtdetr::parse_command_line(arguments);
    if (uses_many_threads(settings)) rtdetr::restart_with_short_spins(argv);
    rtdetr::apply_machine_settings(settings);
    return static_cast<int>(run(settings));
  } catch (const rtdetr::Error& error) {
    return fail(error.code(), error.what());
  } catch (const c10::Error& error) {
    return fail_in_libtorch(error);
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kMemory, "not enough memory; a smaller batch= or imgsz= needs less");
  } catch (const std::exception& error) {
    return fail(ExitCode::kInternal, error.what());
  }
}
