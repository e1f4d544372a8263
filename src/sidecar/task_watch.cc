#include "sidecar/task_watch.h"

#include <boost/json.hpp>

#include <algorithm>
#include <chrono>
#include <optional>

#include "base/log.h"
#include "sidecar/inbound_probe.h"
#include "wire/client.h"

namespace mesh::sidecar {

namespace {

namespace json = boost::json;

constexpr Duration kPause = std::chrono::seconds(1);
constexpr Duration kPauseWhileAppsStart = std::chrono::milliseconds(100);
// Until all is well for the first time: from then on ECS stops the task that this one replaces.
constexpr Duration kPauseUntilHealthy = std::chrono::milliseconds(200);
constexpr Duration kPatience = std::chrono::seconds(2);
constexpr std::size_t kMostMetadata = 1UL << 20;

std::string text_at(const json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  const json::value* found = document.find_pointer(pointer, missing);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::uint32_t port_at(const json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  const json::value* found = document.find_pointer(pointer, missing);
  if (found == nullptr || !found->is_number()) return 0;
  const auto port = found->to_number<std::uint16_t>(missing);
  return missing ? 0 : port;
}

const json::array* array_at(const json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  const json::value* found = document.find_pointer(pointer, missing);
  return found == nullptr ? nullptr : found->if_array();
}

Result<json::value> parse_object(std::string_view text) {
  boost::system::error_code problem;
  json::value document = json::parse(text, problem);
  if (problem || !document.is_object())
    return error(ErrorKind::Unavailable, "the ECS task metadata is not a JSON object");
  return document;
}

std::string first_of(std::string first, const std::string& otherwise) { return first.empty() ? otherwise : first; }

}  // namespace

std::vector<AppPort> app_ports_of(const ProxyResource& resource) {
  std::vector<AppPort> out;
  boost::system::error_code problem;
  const json::value document = json::parse(resource.json, problem);
  const json::array* inbounds = problem ? nullptr : array_at(document, "/networking/inbound");
  if (inbounds == nullptr) return out;
  for (const json::value& inbound : *inbounds) {
    AppPort app;
    app.inbound_port = port_at(inbound, "/port");
    app.app.port = port_at(inbound, "/servicePort");
    if (app.app.port == 0) app.app.port = app.inbound_port;
    const std::string own = first_of(text_at(inbound, "/address"), text_at(document, "/networking/address"));
    app.app.address = first_of(text_at(inbound, "/serviceAddress"), own);
    // Where Envoy itself listens, its own port says nothing about the application.
    if (app.app.port != app.inbound_port || app.app.address != own) out.push_back(std::move(app));
  }
  return out;
}

Result<TaskView> read_task(std::string_view metadata, std::string_view own_container_id) {
  MESH_TRY(const json::value document, parse_object(metadata));
  TaskView view{.stopping = text_at(document, "/DesiredStatus") == "STOPPED", .unhealthy = {}};
  const json::array* containers = array_at(document, "/Containers");
  if (containers == nullptr) return view;
  for (const json::value& container : *containers) {
    if (text_at(container, "/DockerId") == own_container_id || text_at(container, "/KnownStatus") == "STOPPED")
      continue;
    const std::string health = text_at(container, "/Health/status");
    if (!health.empty() && health != "HEALTHY") view.unhealthy.push_back(text_at(container, "/Name"));
  }
  return view;
}

Result<std::string> read_own_container_id(std::string_view metadata) {
  MESH_TRY(const json::value document, parse_object(metadata));
  return text_at(document, "/DockerId");
}

struct TaskWatch::State : std::enable_shared_from_this<State> {
  State(wire::EventLoop& loop_in, wire::Strand strand_in, std::string uri_in, std::vector<AppPort> apps_in,
        TaskWatchEvents events_in)
      : loop(loop_in),
        strand(std::move(strand_in)),
        uri(std::move(uri_in)),
        starting(std::move(apps_in)),
        events(std::move(events_in)) {
    std::vector<SocketAddress> addresses;
    for (const AppPort& app : starting) {
      every_port.push_back(app.inbound_port);
      addresses.push_back(app.app);
    }
    probe.emplace(std::move(addresses));
  }

  void ask(const std::string& path, std::function<void(State&, const std::string& body)> use) {
    wire::ClientRequest request;
    request.url = uri + path;
    request.timeout = kPatience;
    request.max_response_bytes = kMostMetadata;
    wire::fetch(loop, std::move(request),
                [self = shared_from_this(), use = std::move(use)](Result<wire::Response> answer) mutable {
                  auto where = self->strand;
                  where.post([self = std::move(self), use = std::move(use), answer = std::move(answer)] {
                    self->on_answer(answer, use);
                  });
                });
  }

  void on_answer(const Result<wire::Response>& answer, const std::function<void(State&, const std::string&)>& use) {
    if (ended) return;
    std::string problem;
    if (!answer) {
      problem = answer.error().message();
    } else if (answer->status != 200) {
      problem = "it answered with status " + std::to_string(answer->status);
    } else {
      use(*this, answer->body);
    }
    if (!problem.empty() && problem != last_problem)
      MESH_LOG_WARN("sidecar", "the ECS task metadata cannot be read: {}", problem);
    last_problem = problem;
    metadata_pending = false;
    if (!problem.empty()) tell_apps();  // then only what we see ourselves counts
  }

  void tick() {
    if (ended) return;
    const Duration metadata_pause = was_healthy || !last_problem.empty() ? kPause : kPauseUntilHealthy;
    if (!metadata_pending && waited >= metadata_pause) {
      waited = {};
      metadata_pending = true;
      if (own_id) {
        ask("/task", [](State& self, const std::string& body) { self.on_task(body); });
      } else {
        ask("", [](State& self, const std::string& body) { self.on_container(body); });
      }
    }
    look_at_apps();
    const Duration pause = starting.empty() ? metadata_pause : kPauseWhileAppsStart;
    waited += pause;
    timer = strand.after(pause, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->tick();
    });
  }

  void on_container(const std::string& body) {
    if (auto id = read_own_container_id(body)) own_id = std::move(*id);
    waited = kPause;  // now for the task
  }

  void on_task(const std::string& body) {
    const auto view = read_task(body, *own_id);
    if (!view) {
      MESH_LOG_WARN("sidecar", "{}", view.error().message());
      return;
    }
    unhealthy = view->unhealthy;
    was_healthy |= starting.empty() && unhealthy.empty();
    tell_apps();
    if (view->stopping && !std::exchange(told_stopping, true)) events.on_stopping();
  }

  // Only until each took a connection for the first time: whether it goes on working is for health checks to say.
  void look_at_apps() {
    if (starting.empty()) return;
    const std::vector<SocketAddress> closed = probe->find_closed();
    std::erase_if(starting, [&](const AppPort& app) { return std::ranges::find(closed, app.app) == closed.end(); });
    tell_apps();
  }

  void tell_apps() {
    std::vector<std::uint32_t> unavailable;
    std::string reason;
    for (const AppPort& app : starting) {
      unavailable.push_back(app.inbound_port);
      reason += (reason.empty() ? "the application takes no connections yet at " : ", ") + app.app.to_string();
    }
    if (unavailable.empty() && !unhealthy.empty()) {
      unavailable = every_port;
      for (const std::string& name : unhealthy) reason += (reason.empty() ? "not healthy: container " : ", ") + name;
    }
    // That they listen is news from now, what the metadata said of them is older.
    if (reason.empty() && !was_healthy && last_problem.empty()) return;
    if (told_apps && *told_apps == reason) return;
    told_apps = reason;
    events.on_apps(std::move(unavailable), std::move(reason));
  }

  wire::EventLoop& loop;
  wire::Strand strand;
  std::string uri;
  std::vector<AppPort> starting;  // not seen listening yet
  std::vector<std::uint32_t> every_port;
  TaskWatchEvents events;
  std::optional<InboundProbe> probe;
  wire::Timer timer;
  Duration waited = kPause;
  std::optional<std::string> own_id, told_apps;
  std::vector<std::string> unhealthy;
  std::string last_problem;
  bool metadata_pending = false, told_stopping = false, ended = false;
  bool was_healthy = false;  // all of them listened, and nothing was said against them
};

TaskWatch::TaskWatch(wire::EventLoop& loop, wire::Strand strand, std::string metadata_uri, std::vector<AppPort> apps,
                     TaskWatchEvents events)
    : state_(std::make_shared<State>(loop, std::move(strand), std::move(metadata_uri), std::move(apps),
                                     std::move(events))) {}

TaskWatch::~TaskWatch() {
  state_->ended = true;
  state_->timer.cancel();
}

void TaskWatch::start() { state_->tick(); }

}  // namespace mesh::sidecar
