#pragma once

#include <string>
#include <utility>
#include <vector>

#include "train/config/keys.h"

/// How a row of the key table is written; key_table.cpp and key_table_training.cpp have the rows.
namespace rtdetr::key_table {

inline constexpr Key::OnResume kMayChange = Key::OnResume::kMayChange, kOfOneCall = Key::OnResume::kOfOneCall;

inline constexpr CommandSet kTrain = bit(Command::kTrain), kVal = bit(Command::kVal), kPredict = bit(Command::kPredict),
                            kExport = bit(Command::kExport), kBenchmark = bit(Command::kBenchmark),
                            kInfo = bit(Command::kInfo), kCheck = bit(Command::kCheck),
                            kConvert = bit(Command::kConvert), kCocoEval = bit(Command::kCocoEval),
                            kCompare = bit(Command::kCompare), kVersion = bit(Command::kVersion);
inline constexpr CommandSet kModelUsers = kTrain | kVal | kPredict | kExport | kBenchmark | kInfo;
inline constexpr CommandSet kWorkers = kTrain | kVal | kPredict | kExport | kBenchmark;
inline constexpr CommandSet kFolderMakers = kTrain | kVal | kPredict;
inline constexpr CommandSet kEvery = kModelUsers | kCheck | kConvert | kCocoEval | kCompare | kVersion;

/// Rows of one section; the fields a row does not name keep their defaults.
class Section {
 public:
  Section(std::vector<Key>& keys, std::string name) : keys_(keys), name_(std::move(name)) {}

  Key& add(const char* name, KeyField field, CommandSet commands, const char* unit, const char* example,
           const char* meaning) {
    Key key;
    key.name = name;
    key.field = field;
    key.commands = commands;
    key.section = name_;
    key.unit = unit;
    key.example = example;
    key.meaning = meaning;
    return keys_.emplace_back(std::move(key));
  }
  Key& path(const char* name, std::string Settings::*field, CommandSet commands, const char* example,
            const char* meaning) {
    Key& key = add(name, field, commands, "", example, meaning);
    key.is_path = true;
    return key;
  }
  Key& number(const char* name, KeyField field, CommandSet commands, double low, double high, const char* unit,
              const char* example, const char* meaning) {
    Key& key = add(name, field, commands, unit, example, meaning);
    key.low = low;
    key.high = high;
    return key;
  }
  Key& above(const char* name, KeyField field, CommandSet commands, double low, double high, const char* unit,
             const char* example, const char* meaning) {
    Key& key = number(name, field, commands, low, high, unit, example, meaning);
    key.above_low = true;
    return key;
  }
  Key& choice(const char* name, std::string Settings::*field, CommandSet commands, std::vector<std::string> choices,
              const char* meaning) {
    Key& key = add(name, field, commands, "", choices.front().c_str(), meaning);
    key.choices = std::move(choices);
    return key;
  }
  Key& flag(const char* name, bool Settings::*field, CommandSet commands, const char* meaning) {
    return add(name, field, commands, "", "true", meaning);
  }

 private:
  std::vector<Key>& keys_;
  std::string name_;
};

/// The sections that belong to a training run. Order is the order of help, args.yaml and the reference page.
void add_training_keys(std::vector<Key>& keys);

}  // namespace rtdetr::key_table
