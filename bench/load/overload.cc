// What must not harm those who are connected and well: many who come back at once, some who do not read, one who
// refuses everything. Each phase measures how fast the others hear of changes meanwhile.
#include <fmt/format.h>

#include <algorithm>

#include "load/run.h"

namespace mesh::load {

namespace {

// Every n-th of those that are well, and the others.
struct Parts {
  std::vector<std::shared_ptr<Sidecar>> few, others;
};
Parts divide(const std::vector<std::shared_ptr<Sidecar>>& all, std::size_t each) {
  Parts out;
  for (const auto& sidecar : all)
    if (sidecar->is_complete() && sidecar->is_running())
      ((out.few.size() + out.others.size()) % each == 0 ? out.few : out.others).push_back(sidecar);
  return out;
}

}  // namespace

bool Run::change_policy(PhaseResult& result, const std::vector<std::shared_ptr<Sidecar>>& receivers) {
  const int number = ++last_change_;
  fleet_.on_loop([&] { fleet_.watch({XdsType::Cluster, "", Api::timeout_needle(number), true}, receivers); });
  if (const Status status = api_.put_timeout(number); !status) {
    fail(result, status.error().message());
    return false;
  }
  const SteadyTime answered = fleet_.now();
  return wait_for_watch(result, receivers.size(), [&] { return answered; });
}

void Run::storm(PhaseResult& result) {
  result.what =
      "from the REST answer to a changed MeshTimeout until one of the tenth that stayed has it, while all others come "
      "back";
  Parts parts;
  const SteadyTime start = fleet_.now();
  fleet_.on_loop([&] {
    parts = divide(fleet_.sidecars(), 10);
    for (const auto& sidecar : parts.others) sidecar->restart_envoy();
  });
  std::size_t back = 0;
  do {
    if (!change_policy(result, parts.few)) return;
    fleet_.on_loop([&] {
      back = static_cast<std::size_t>(
          std::ranges::count_if(parts.others, [](const auto& sidecar) { return sidecar->is_complete(); }));
    });
    events_.progress("storm", back, parts.others.size());
    if (fleet_.now() - start > settings_.limit)
      return fail(result, fmt::format("{} of {} did not come back", parts.others.size() - back, parts.others.size()));
    fleet_.pause(std::chrono::milliseconds(50));
  } while (back < parts.others.size());
  result.seconds = std::chrono::duration<double>(fleet_.now() - start).count();
}

void Run::slow(PhaseResult& result) {
  result.what =
      "from the REST answer to a changed MeshTimeout until a sidecar that reads has it, while each twentieth does not "
      "read";
  Parts parts;
  fleet_.on_loop([&] {
    parts = divide(fleet_.sidecars(), 20);
    for (const auto& sidecar : parts.few) sidecar->set_reading(false);
  });
  bool good = true;
  for (int i = 0; good && i < 4 * settings_.changes; ++i) good = change_policy(result, parts.others);
  fleet_.on_loop([&] {
    for (const auto& sidecar : parts.few) sidecar->set_reading(true);
  });
  PhaseResult afterwards;  // how fast they catch up is not what is asked
  afterwards.name = result.name;
  if (good && !change_policy(afterwards, parts.few))
    fail(result, "those that did not read do not get what they missed");
}

void Run::refusal(PhaseResult& result) {
  result.what = "from the REST answer to a changed MeshTimeout until a sidecar has it, while one refuses everything";
  std::vector<std::shared_ptr<Sidecar>> others;
  std::shared_ptr<Sidecar> refuser;
  fleet_.on_loop([&] {
    const Parts parts = divide(fleet_.sidecars(), fleet_.sidecars().size() + 1);
    if (parts.few.empty()) return;
    refuser = parts.few.front();
    others = parts.others;
    refuser->refuse_all(true);
  });
  if (!refuser) return fail(result, "nobody is connected");
  bool good = true;
  for (int i = 0; good && i < settings_.changes; ++i) good = change_policy(result, others);
  fleet_.on_loop([&] { refuser->refuse_all(false); });
  PhaseResult afterwards;
  afterwards.name = result.name;
  if (good && !change_policy(afterwards, {refuser})) fail(result, "who refused is not given what comes next");
}

}  // namespace mesh::load
