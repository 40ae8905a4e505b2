#pragma once

#include <string>
#include <vector>

/// Files of weights that mean harm, or are merely odd, made byte by byte: what a reader must refuse, and what it may
/// read because it is legal. Where a payload would act if it were executed, it would leave the file "pwned" in the
/// current folder and do nothing else.
namespace rtdetr::test {

struct HostileFile {
  enum Verdict {
    kRefuse,  ///< with exit code 4
    kRead,
    kEither,
  };
  std::string name;  ///< of a file, unique
  std::string bytes;
  Verdict verdict = kRefuse;
  std::string says;  ///< part of the refusal
};

using HostileFiles = std::vector<HostileFile>;

/// All of them, the same on every call.
HostileFiles hostile_weights();

// By what they abuse:
void add_hostile_calls(HostileFiles& files);       ///< names and whatever calls them
void add_hostile_values(HostileFiles& files);      ///< tensors, storages, dictionaries, memo, depth, lengths
void add_hostile_containers(HostileFiles& files);  ///< archives and streams
void add_bombs(HostileFiles& files);               ///< small files that ask for much

}  // namespace rtdetr::test
