#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace rtdetr {

/// The live line of a training run.
struct ProgressPoint {
  std::int64_t epoch = 0, epochs = 0;                 ///< from 0; epochs 0 = the time decides
  std::int64_t step = 0, steps = 0;                   ///< of this epoch
  double loss = 0;                                    ///< of this step
  std::vector<std::pair<std::string, double>> terms;  ///< of this step; those of the last decoder layer are shown
  std::int64_t pictures = 0;                          ///< of this step
  double step_seconds = 0;                            ///< the step with its wait for data
  double wait_seconds = 0;                            ///< of these, waiting for data
  double remaining_steps = 0;                         ///< of the run, for the ETA; when the time decides:
  double remaining_seconds = -1;                      ///< what is left of it
  double validations = 0;                             ///< that come on top
  double validation_seconds = 0;                      ///< of each, as the last ones took; 0 = none was measured yet
};

/// Smooths speed and waiting over about the last 20 steps and prints through core/base/progress.h.
class ProgressLine {
 public:
  void show(const ProgressPoint& point);
  /// What the two below say of speed.
  void note(const ProgressPoint& point);
  /// What is shown: place, loss and time left, and of the rest what there is room for, the more important first.
  /// Before a validation was measured, the time left is said to be without them.
  /// @param columns  of a live line, which draws the epoch's share; 0 = a plain one, of any length
  std::string line(const ProgressPoint& point, std::size_t columns) const;
  /// The same for programs: {"type": "step", "epoch": 3, "epochs": 40 (null = the time decides), "step", "steps",
  /// "eta_s" (with validations, once one was measured), "loss", "losses": {every term}, "images_per_s", "wait_share",
  /// "memory_mib"}.
  nlohmann::ordered_json event(const ProgressPoint& point) const;
  /// Forgets the speed (the picture size may change) and ends the live line.
  void end();

 private:
  double seconds_left(const ProgressPoint& point) const;

  double seconds_per_step_ = 0, wait_per_step_ = 0, pictures_per_step_ = 0;
};

/// Resident memory of this process in MiB; 0 where it cannot be known.
double resident_mib();

}  // namespace rtdetr
