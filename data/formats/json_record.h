#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/io/json_reader.h"
#include "data/dataset/data_problem.h"

namespace rtdetr {

/// What an integer key wants, as complaints say it.
inline constexpr const char* kWholeNumber = "a whole number";

/// One object of a list of alike ones, read key by key; notes what it has and complains about what is wrong, naming
/// the list, the object's number, the key and the value.
class JsonRecord {
 public:
  /// @param kind, message  of the problem that complaints are gathered under
  struct Complaints {
    ProblemCollector& problems;
    const char* kind;
    const char* message;
  };

  JsonRecord(JsonReader& json, Complaints complaints, const char* list, std::size_t index)
      : json_(json), complaints_(complaints), list_(list), index_(index) {}

  /// Calls take_field(key) for every key of the object that was just begun. It takes the key's value and returns true,
  /// or returns false without taking it.
  template <class TakeField>
  void read(TakeField&& take_field) {
    while (json_.next() == JsonReader::Token::kKey) {
      key_ = json_.text();
      if (!take_field(std::string_view(key_))) json_.skip_next();
    }
  }

  /// Stores the key's value, or complains. null is as if the key were missing.
  /// @param field  a bit that stands for the key
  /// @param rule   what the value must be
  /// @return       true: the value is taken either way
  template <class Value, class Taken>
  bool take(unsigned field, Value& to, const std::optional<Taken>& taken, const char* rule) {
    if (seen_ & field) {
      complain("'" + key_ + "' stands twice");
    } else if (!taken && json_.took_null()) {
      null_ |= field;
    } else if (!taken) {
      complain("'" + key_ + "' must be " + rule + ", not " + json_.describe_value());
    } else {
      to = *taken;
    }
    seen_ |= field;
    return true;
  }

  void require(unsigned field, const char* key) {
    if (!has(field)) complain(std::string("'").append(key).append(null_ & field ? "' is null" : "' is missing"));
  }
  bool has(unsigned field) const { return seen_ & ~null_ & field; }
  /// Whether there was nothing to complain about.
  bool good() const { return good_; }

  void complain(const std::string& fault) {
    good_ = false;
    complaints_.problems.error(complaints_.kind, complaints_.message, [&] { return place() + ": " + fault; });
  }
  std::string place() const { return std::string(list_) + "[" + std::to_string(index_) + "]"; }

 private:
  JsonReader& json_;
  Complaints complaints_;
  const char* list_;
  std::size_t index_;
  std::string key_;
  unsigned seen_ = 0, null_ = 0;
  bool good_ = true;
};

/// No object has a form that is read faster than key by key.
struct NoUsualForm {
  template <class Record>
  bool operator()(Record&) const {
    return false;
  }
};

/// Reads the objects of the list that was just begun and calls add(record) for those that read_one(record, JsonRecord&)
/// finds good.
/// @param take_usual  takes an object of the usual form, good as it is: its value, or nothing and false
template <class Record, class ReadOne, class Add, class TakeUsual = NoUsualForm>
void read_json_list(JsonReader& json, JsonRecord::Complaints complaints, const char* list, ReadOne&& read_one,
                    Add&& add, TakeUsual&& take_usual = {}) {
  using Token = JsonReader::Token;
  for (std::size_t index = 0;; ++index) {
    if (Record usual; take_usual(usual)) {
      add(std::move(usual));
      continue;
    }
    const Token token = json.next();
    if (token == Token::kEndArray) break;
    JsonRecord reader(json, complaints, list, index);
    if (token != Token::kBeginObject) {
      reader.complain("is no object");
      json.skip(token);
      continue;
    }
    Record record;
    if (read_one(record, reader)) add(std::move(record));
  }
}

/// Calls read_item(first token, index) for every item of the next value, which must end with the item read or passed
/// over. False if the value is no list; it is passed over then.
template <class ReadItem>
bool read_items(JsonReader& json, ReadItem&& read_item) {
  using Token = JsonReader::Token;
  if (const Token first = json.next(); first != Token::kBeginArray) {
    json.skip(first);
    return false;
  }
  std::size_t index = 0;
  for (Token first = json.next(); first != Token::kEndArray; first = json.next()) read_item(first, index++);
  return true;
}

/// Calls take_member(key) for every key of the value that `first` began, which takes the key's value and returns true,
/// or returns false without taking it. False if the value is no object; it is passed over then.
template <class TakeMember>
bool read_members_of(JsonReader& json, JsonReader::Token first, TakeMember&& take_member) {
  using Token = JsonReader::Token;
  if (first != Token::kBeginObject) {
    json.skip(first);
    return false;
  }
  while (json.next() == Token::kKey) {
    if (!take_member(std::string(json.text()))) json.skip_next();
  }
  return true;
}
template <class TakeMember>
bool read_members(JsonReader& json, TakeMember&& take_member) {
  return read_members_of(json, json.next(), take_member);
}

}  // namespace rtdetr
