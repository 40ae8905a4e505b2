#include <exception>
#include <optional>
#include <vector>

#include <torch/types.h>
#include <nlohmann/json.hpp>

#include "core/base/log.h"
#include "core/base/text.h"
#include "models/layers/module_tree.h"
#include "models/weights/checkpoint.h"
#include "train/commands/commands.h"
#include "train/commands/engine_predictor.h"
#include "train/commands/train_display.h"
#include "train/loop/decision.h"
#include "train/loop/experiment.h"
#include "train/loop/run_cost.h"
#include "train/loop/run_opening.h"
#include "train/loop/run_start.h"
#include "train/loop/run_summary.h"
#include "train/loop/trainer.h"
#include "train/loop/training_data.h"
#include "train/process/allocator.h"
#include "train/process/failure.h"
#include "train/process/launched_rank.h"
#include "train/process/standard_streams.h"
#include "train/process/stop_signal.h"
#include "train/report/dataset_picture.h"
#include "train/report/detection_report.h"
#include "train/report/evaluation_report.h"
#include "train/report/model_rows.h"
#include "train/report/output.h"
#include "train/report/run_page.h"
#include "train/report/run_pictures.h"
#include "train/report/work_progress.h"

namespace rtdetr {
namespace {

/// best.safetensors evaluated once more, by the main process with the time of every layer.
std::optional<Evaluation> final_evaluation(const Settings& settings, Experiment& experiment, const RunFolder& folder,
                                           ProcessGroup& group) {
  std::int64_t is_there = experiment.val && std::filesystem::exists(folder.best()) ? 1 : 0;
  group.broadcast(std::span(&is_there, 1));  // the others may look before the main process has written it
  if (!is_there) return std::nullopt;
  DetectionModel model = load_model(folder.best()).model;
  to_channels_last(*model);
  model->to(experiment.device);
  EvaluatorOptions options = evaluator_options(experiment);
  options.criterion = std::nullopt;
  const WorkProgress progress(std::ssize(experiment.val->pictures), "evaluating the best weights: ");
  if (group.is_main()) options.progress = [&](std::int64_t done) { progress.show(done); };
  const auto cancelled = [&] { return agree({.stop = StopSignals::requested()}, group).stop; };
  auto evaluation = evaluate(model, *experiment.val, options, cancelled, group);
  log::end_progress();
  if (!evaluation || !group.is_main()) return evaluation;
  options.predictor = engine_predictor(settings, model, {}, {options.height, options.width}, options.precision);
  if (!model->fused()) model->fuse();
  add_times(*evaluation, model, options);
  return evaluation;
}

/// A run that got a number behind its name is not the one that resume=auto finds.
std::string how_to_go_on(const Settings& settings, const RunFolder& folder) {
  std::string run = "auto";
  if (folder.path() != std::filesystem::path(settings.project) / settings.name) run = folder.path().string();
  return "the same command with resume=" + shell_word(run) + " goes on from there";
}

/// @param validated  whether the run was; without a split 'val', the next command cannot be val
std::string closing_words(const Settings& settings, const RunFolder& folder, const RunOutcome& outcome,
                          bool validated) {
  const std::string at = folder.path().string() + "/";
  std::string text = counted(outcome.epochs, "epoch") + ", " + counted(outcome.steps, "step") + ", " +
                     format_duration(outcome.train_seconds) + " of training";
  if (outcome.skipped > 0) text += ", " + counted(outcome.skipped, "step") + " refused";
  text += "\n\n  " + at + "best.safetensors   " +
          (validated ? "weights of the best epoch (EMA)" : "the last weights (EMA)");
  text += "\n  " + at + "last.safetensors   everything needed to continue";
  text += "\n  " + at + "results.csv        one row per epoch or validation";
  text += "\n  " + at + "log.jsonl          every step";
  if (settings.plots)
    text += "\n  " + at + "index.html         all of it on one page, for a browser\n  " + at +
            "results.png        curves; labels.jpg, train_batch*.jpg, val_batch*.jpg: what went in and came out";
  if (settings.plots && validated)
    text += "\n  " + at +
            "confusion_matrix.png, BoxPR_curve.png, BoxF1_curve.png: the best weights on the validation split";
  text += "\n\nnext:";
  const std::string best = shell_word(at + "best.safetensors");
  if (validated || !settings.val) text += "\n  rtdetr val model=" + best + " data=" + shell_word(settings.data);
  text += "\n  rtdetr predict model=" + best + " source=FOLDER\n";
  return text;
}

nlohmann::ordered_json outcome_json(const RunFolder& folder, const RunOutcome& outcome) {
  return {{"folder", folder.path().string()},
          {"best", folder.best().string()},
          {"last", folder.last().string()},
          {"epochs", outcome.epochs},
          {"steps", outcome.steps},
          {"skipped", outcome.skipped},
          {"train_seconds", outcome.train_seconds},
          {"best_ap", outcome.best_ap},
          {"best_epoch", outcome.best_epoch},
          {"stopped", outcome.end == RunOutcome::End::kStopped}};
}

/// What the last evaluation adds to the folder: what val writes, and its sections of the page.
void write_findings(const Dataset& val, const Evaluation& evaluation, const RunFolder& folder, bool plots) {
  const DetectionReport report = report_detections(evaluation, val, 0);
  const std::filesystem::path& path = folder.path();
  draw_or_warn([&] { write_metric_tables(report, evaluation.detecting().metric, val.classes, path); },
               "a table is missing");
  if (!plots) return;
  draw_or_warn([&] { write_validation_pictures(val, evaluation, path); });
  draw_or_warn([&] { write_metric_pictures(report, evaluation.detecting().metric, val.classes, path); });
  std::vector<nlohmann::ordered_json> found;
  draw_or_warn([&] { found = evaluation_sections(val, evaluation, report); });
  write_page_or_warn(path, found);
}

void report(const Settings& settings, Experiment& experiment, const RunFolder& folder, const RunOutcome& outcome,
            ProcessGroup& group) {
  const std::optional<Evaluation> evaluation = final_evaluation(settings, experiment, folder, group);
  if (!group.is_main()) return;
  nlohmann::ordered_json document = outcome_json(folder, outcome);
  if (evaluation) {
    document.update(evaluation_json(*evaluation, experiment.val->classes));
    write_findings(*experiment.val, *evaluation, folder, settings.plots);
    print_text(settings, "\nbest epoch, every decoder layer:\n" + layer_table(*evaluation) + "\n");
  } else if (settings.plots) {
    write_page_or_warn(folder.path());  // with the run's end
  }
  print_text(settings, closing_words(settings, folder, outcome, experiment.val.has_value()));
  print_json(settings, document);
}

/// check=true: everything a run resolves and three steps of it, but no folder.
ExitCode show_plan(const Settings& settings) {
  Experiment experiment = prepare_experiment(settings);
  print_text(settings, settings_to_yaml(settled(experiment, settings)) + "\n" + rows_table(experiment.model->rows()) +
                           "\n" + describe(experiment) + "\n");
  const RunCost cost = measure_run_cost(experiment);
  warn_about_short_run(experiment, cost.length);
  print_text(settings, "\n" + describe(cost, experiment) +
                           "\n\nnothing was written; the same command without check=true starts the run\n");
  print_json(settings, to_json(cost, experiment));
  return ExitCode::kOk;
}

/// How a step is shared. Rates are of the whole batch, as they are for one process.
std::string describe_sharing(const Experiment& experiment, std::int64_t processes) {
  const std::int64_t batch = training_loader_options(experiment).batch_size;
  return std::to_string(processes) + " processes, " + counted(batch / processes, "picture") + " of each batch of " +
         std::to_string(batch) + " to each; lr0=" + format_short(experiment.settings.lr0) +
         " is of the whole batch: it stays as it is, however many share it";
}

/// What goes on before the first step: the arguments into the folder, the plan to people.
void begin_run(const Settings& settings, const Experiment& experiment, const RunFolder& folder,
               const std::optional<RunLength>& length, std::int64_t processes) {
  write_arguments(settings, experiment, folder);
  log::info(describe(experiment));
  if (processes > 1) log::info(describe_sharing(experiment, processes));
  if (length) warn_about_short_run(experiment, *length);
  if (settings.plots) draw_or_warn([&] { write_dataset_picture(experiment.train, folder.path() / "labels.jpg"); });
  log::info("writing to " + folder.path().string());
}

ExitCode run_to_its_end(const Settings& settings, Experiment& experiment, const RunFolder& folder, Trainer& trainer,
                        ProcessGroup& group) {
  const RunOutcome outcome = trainer.fit();
  if (outcome.end == RunOutcome::End::kFinished) {
    report(settings, experiment, folder, outcome, group);
    return ExitCode::kOk;
  }
  const bool stopped = outcome.end == RunOutcome::End::kStopped;
  if (group.is_main() && stopped && settings.plots) write_page_or_warn(folder.path());
  if (!group.is_main()) return stopped ? ExitCode::kStopped : ExitCode::kOk;
  std::string text = "the run in " + folder.path().string() + " has finished (" + counted(outcome.epochs, "epoch") +
                     ", " + counted(outcome.steps, "step") + ", " + format_duration(outcome.train_seconds) +
                     "); nothing was changed; a larger epochs= or time= makes it longer";
  if (stopped) text = "stopped and saved (" + trainer.last_durable() + "); " + how_to_go_on(settings, folder);
  log::info(text);
  print_json(settings, outcome_json(folder, outcome));
  return stopped ? ExitCode::kStopped : ExitCode::kOk;
}

/// What ended the run, what is on disk, and how to go on from there.
[[noreturn]] void fail_run(const Settings& settings, const RunFolder& folder, const Trainer& trainer,
                           const Error& error) {
  std::string text = std::string(error.what()) + " (" + trainer.last_durable() + ")";
  if (trainer.has_saved()) {
    text += error.code() == ExitCode::kDiverged
                ? "; a run with another name= and weights=" + shell_word(folder.last().string()) +
                      " begins with these weights"
                : "; " + how_to_go_on(settings, folder);
  }
  throw Error(error.code(), text);
}

}  // namespace

ExitCode run_train(const Settings& settings, ProcessGroup& group) {
  keep_freed_memory();
  if (settings.check) return show_plan(settings);
  using Second = StopSignals::Second;
  const StopSignals signals(is_launched_rank() ? Second::kIsTheSame : Second::kLeaves);
  outlive_closed_pipes();
  OpenedRun run = open_run(settings, group);
  if (group.is_main()) log::set_spare_file(run.folder.path() / "output.txt");
  TrainDisplay display(run.experiment, run.folder);
  TrainOptions options = train_options(run.experiment);
  if (group.is_main()) display.watch_validations(options.evaluation);
  Trainer trainer(train_input(run.experiment), options, run.folder, group);
  if (run.checkpoint) go_on(trainer, *run.checkpoint, run.experiment.settings, run.folder);
  group.is_main() ? display.watch(trainer, settings.plots, how_to_go_on(settings, run.folder))
                  : display.watch_silently(trainer);
  if (group.is_main() && !trainer.finished()) begin_run(settings, run.experiment, run.folder, run.length, group.size());
  try {
    return run_to_its_end(settings, run.experiment, run.folder, trainer, group);
  } catch (...) {
    if (!group.is_main()) throw;                                // what is on the disk, the main process knows
    if (settings.plots) write_page_or_warn(run.folder.path());  // with what ended it
    fail_run(settings, run.folder, trainer, as_error(std::current_exception()));
  }
}

}  // namespace rtdetr
