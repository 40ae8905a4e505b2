#pragma once

#include <string>

/// The instructions of Python's pickles (pickletools in Python's library lists them). For pickle_machine.cpp.
namespace rtdetr {

namespace opcode {

inline constexpr unsigned char kMark = '(', kStop = '.', kBinInt = 'J', kBinInt1 = 'K', kBinInt2 = 'M', kNone = 'N',
                               kReduce = 'R', kBinUnicode = 'X', kAppend = 'a', kBuild = 'b', kGlobal = 'c',
                               kEmptyDict = '}', kAppends = 'e', kBinGet = 'h', kLongBinGet = 'j', kEmptyList = ']',
                               kBinPut = 'q', kLongBinPut = 'r', kSetItem = 's', kTuple = 't', kEmptyTuple = ')',
                               kSetItems = 'u', kBinFloat = 'G', kBinPersId = 'Q', kBinBytes = 'B',
                               kShortBinBytes = 'C', kProto = 0x80, kNewObj = 0x81, kTuple1 = 0x85, kTuple2 = 0x86,
                               kTuple3 = 0x87, kNewTrue = 0x88, kNewFalse = 0x89, kLong1 = 0x8a,
                               kShortBinUnicode = 0x8c, kEmptySet = 0x8f, kAddItems = 0x90, kStackGlobal = 0x93,
                               kMemoize = 0x94, kFrame = 0x95;

}  // namespace opcode

/// "INST" or "0xff": its name in Python's documentation, also of those that no file of weights has.
std::string describe_opcode(unsigned char code);

}  // namespace rtdetr
