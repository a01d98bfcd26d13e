// Small pieces of text handling that flags, URLs and the configuration file share.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/env/time.h"

namespace cairn::server {

// The pieces between separators; an empty text is one empty piece. They are views into `text`.
std::vector<std::string_view> Split(std::string_view text, char separator);
std::string_view Trim(std::string_view text);
// In double quotes, with control characters and quotes escaped as JSON does: safe in a one-line
// message.
std::string Quoted(std::string_view text);
std::string Join(const std::vector<std::string>& pieces, std::string_view between);

// As Go's flag package reads them, so that command lines written for etcd mean the same here.
std::optional<bool> ParseBool(std::string_view text);        // 1 t T true True TRUE 0 f F ...
std::optional<int64_t> ParseInteger(std::string_view text);  // decimal, 0x, 0o or 0b
// "1h30m", "100ms", "1.5s", "-2s", "0".
std::optional<env::Duration> ParseDuration(std::string_view text);

}  // namespace cairn::server
