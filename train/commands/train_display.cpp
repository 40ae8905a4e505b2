#include "train/commands/train_display.h"

#include <string>

#include <nlohmann/json.hpp>

#include "core/base/progress.h"
#include "train/process/launched_rank.h"
#include "train/process/stop_signal.h"
#include "train/report/output.h"
#include "train/report/run_page.h"
#include "train/report/run_pictures.h"
#include "train/report/tensorboard_file.h"

namespace rtdetr {

void TrainConsole::on_step(const StepEvent& event) {
  const RunPosition& at = event.position;
  const BudgetOptions& budget = event.budget.options();
  const RunBudget::Remaining remaining = event.budget.remaining(at);
  ProgressPoint point{.epoch = at.epoch,
                      .epochs = budget.hours > 0 ? 0 : budget.epochs,
                      .step = event.budget.steps_of(at.next_batch),
                      .steps = event.budget.steps_per_epoch(),
                      .loss = event.report.loss,
                      .terms = event.report.terms,
                      .step_seconds = event.seconds,
                      .wait_seconds = event.wait_seconds,
                      .remaining_steps = remaining.steps,
                      .remaining_seconds = remaining.seconds};
  if (val_pictures_ > 0) {
    point.validations = remaining.validations + 1;  // best.safetensors, when the run has ended
    point.validation_seconds = validation_seconds_;
  }
  for (const Batch& batch : event.batches) point.pictures += batch.size * event.processes;
  line_.show(point);
}

void TrainConsole::on_pause() {
  line_.end();
  paused_ = {};
  validating_ = WorkProgress(val_pictures_, "validating: ");
}

void TrainConsole::on_validated(std::int64_t pictures) const {
  constexpr double kLong = 2;  // a shorter one is over before its line is read
  if (paused_.seconds() > kLong) validating_.show(pictures);
}

void TrainConsole::on_validation(const EpochRecord& record) {
  log::end_progress();
  const double seconds = record.evaluation->seconds;
  validation_seconds_ = validation_seconds_ == 0 ? seconds : (validation_seconds_ + seconds) / 2;
  log::happened(describe_validation(record), json_line(validation_event(record)));
}

void TrainPictures::on_batches(std::span<const Batch> batches, const StepPosition& position) {
  constexpr std::int64_t kDrawn = 3;
  if (position.epoch > 0) return;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const std::int64_t index = position.first_batch + static_cast<std::int64_t>(i);
    if (index >= kDrawn) return;
    const std::string name = "train_batch" + std::to_string(index) + ".jpg";
    draw_or_warn([&] { write_batch_picture(batches[i], train_, folder_.path() / name); });
  }
}

void TrainPictures::on_record(const EpochRecord&) {
  const std::filesystem::path table = folder_.path() / "results.csv";
  draw_or_warn([&] { write_results_picture(table, folder_.path() / "results.png"); });
  write_page_or_warn(run_);
  draw_or_warn([&] { update_tensorboard_file(read_results(table), folder_.path() / kTensorBoardName); });
}

bool StopOnSignal::should_stop() { return StopSignals::requested(); }

void NoteForLauncher::note(const Trainer& trainer, const std::string& how_to_go_on) {
  trainer_ = &trainer;
  how_to_go_on_ = how_to_go_on;
  on_saved();
}

void NoteForLauncher::on_saved() {
  leave_note(trainer_->last_durable() + (trainer_->has_saved() ? "; " + how_to_go_on_ : ""));
}

void TrainDisplay::watch(Trainer& trainer, bool plots, const std::string& how_to_go_on) {
  note_.note(trainer, how_to_go_on);
  trainer.observe(note_);
  trainer.observe(console_);
  if (plots) trainer.observe(pictures_);
  trainer.observe(stop_);
}

}  // namespace rtdetr
