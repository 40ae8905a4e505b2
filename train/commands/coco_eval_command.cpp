#include "data/tools/coco_eval.h"

#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "train/commands/commands.h"
#include "train/process/machine.h"
#include "train/report/metric_report.h"
#include "train/report/output.h"

namespace rtdetr {

ExitCode run_coco_eval(const Settings& settings) {
  const int threads = settings.threads > 0 ? static_cast<int>(settings.threads) : physical_cores();
  const CocoEvaluation evaluation = evaluate_coco_files(settings.annotations, settings.results, threads);
  for (const DataProblem& problem : evaluation.problems) log::warning(describe(problem));
  print_text(settings, format_summary(evaluation.result) + "\n" + class_table(evaluation.result, evaluation.classes));
  print_json(settings, {{"stats", evaluation.result.stats},
                        {"classes", classes_json(evaluation.result, evaluation.classes)},
                        {"problems", problems_json(evaluation.problems)}});
  return ExitCode::kOk;
}

}  // namespace rtdetr
