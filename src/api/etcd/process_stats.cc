#include "src/api/etcd/process_stats.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace cairn::api::etcd {
namespace {

uint64_t Limit(int resource) {
  rlimit limit{};
  if (getrlimit(static_cast<__rlimit_resource_t>(resource), &limit) != 0) return 0;
  return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

uint64_t CountOpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  uint64_t count = 0;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] != '.') ++count;
  }
  closedir(folder);
  return count > 0 ? count - 1 : 0;  // without the folder's own
}

// Seconds since 1970 at which the machine was started.
double BootTime() {
  std::ifstream file("/proc/stat");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("btime ")) return std::strtod(line.c_str() + 6, nullptr);
  }
  return 0;
}

// Fields 14, 15 (CPU time), 22 (start time), 23 (virtual size) and 24 (resident pages) of proc(5)'s
// stat. The second field is a name in parentheses that may hold anything.
void ReadStat(ProcessStats* stats) {
  std::ifstream file("/proc/self/stat");
  std::string line;
  if (!std::getline(file, line)) return;
  const size_t close = line.rfind(')');
  if (close == std::string::npos) return;
  std::istringstream rest(line.substr(close + 1));
  std::string skipped;
  const auto skip = [&](int n) {
    while (n-- > 0) rest >> skipped;
  };
  double user = 0, system = 0, start = 0;
  uint64_t pages = 0;
  skip(11);
  rest >> user >> system;
  skip(6);
  rest >> start >> stats->virtual_bytes >> pages;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  stats->cpu_seconds = (user + system) / ticks;
  stats->start_time_seconds = BootTime() + start / ticks;
  stats->resident_bytes = pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

ProcessStats ReadProcessStats() {
  ProcessStats stats;
  ReadStat(&stats);
  stats.open_fds = CountOpenFiles();
  stats.max_fds = Limit(RLIMIT_NOFILE);
  stats.virtual_max_bytes = Limit(RLIMIT_AS);
  return stats;
}

}  // namespace cairn::api::etcd
