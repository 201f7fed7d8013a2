//! How things stand at this moment: read when somebody asks, and by nobody else.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

use super::float;
use crate::admission::Load;
use crate::routes::health;
use crate::state::AppState;

/// A queue: `model` is the one before the engine, `files` the one before the reading of companies' files.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    queue: &'static str,
    reason: &'static str,
}

/// All of it.
pub(super) fn registry(app: &AppState) -> Registry {
    let mut registry = Registry::default();
    server(app, &mut registry);
    queues(app, &mut registry);
    kv_cache(app, &mut registry);
    process(&mut registry);
    registry
}

fn server(app: &AppState, registry: &mut Registry) {
    let version = Family::<[(&str, &str); 1], Gauge>::default();
    version.get_or_create(&[("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("zyron_build_info", "This program's version", version);
    let mut is = |name: &str, help: &str, value: bool| registry.register(name, help, ConstGauge::new(i64::from(value)));
    is("zyron_ready", "Whether it can be sent requests, as /health/ready says", health::readiness(app).is_ok());
    is("zyron_draining", "Whether it is shutting down", app.is_draining());
    is("zyron_model_loaded", "Whether a model is loaded; never where requests are passed on", app.loaded().is_some());
    if let Some(serving) = app.loaded() {
        let info = Family::<Vec<(&str, String)>, Gauge>::default();
        let model = &serving.model;
        let labels = vec![
            ("model", model.id.clone()),
            ("engine", serving.engine.name().to_owned()),
            ("quantization", model.quantization.clone()),
        ];
        info.get_or_create(&labels).set(1);
        registry.register("zyron_model_info", "The model that is loaded", info);
    }
}

fn queues(app: &AppState, registry: &mut Registry) {
    let gauge = Family::<Queue, Gauge>::default;
    let (running, running_limit, waiting, waiting_limit, tokens) = (gauge(), gauge(), gauge(), gauge(), gauge());
    let refused = Family::<Refused, Counter>::default();
    let model = app.loaded().map(|serving| &serving.admission);
    let model = model.or_else(|| app.upstream().map(|servers| &servers.admission));
    for (queue, admission) in [("model", model), ("files", Some(app.reading()))] {
        let Some(load) = admission.map(crate::admission::Admission::load) else { continue };
        let labels = Queue { queue };
        let Load { running: runs, running_limit: may_run, waiting: waits, waiting_limit: may_wait, .. } = load;
        for (gauge, count) in
            [(&running, runs), (&running_limit, may_run), (&waiting, waits), (&waiting_limit, may_wait)]
        {
            gauge.get_or_create(&labels).set(int(count as u64));
        }
        tokens.get_or_create(&labels).set(int(load.waiting_tokens));
        for (reason, count) in load.refused {
            refused.get_or_create(&Refused { queue, reason }).inc_by(count);
        }
    }
    registry.register("zyron_running_requests", "Requests that are worked on", running);
    registry.register("zyron_running_requests_limit", "Requests that are worked on at once at most", running_limit);
    registry.register("zyron_waiting_requests", "Requests that wait for their turn", waiting);
    registry.register("zyron_waiting_requests_limit", "Requests that may wait", waiting_limit);
    registry.register("zyron_waiting_tokens", "Tokens of the prompts that wait, as far as known", tokens);
    registry.register("zyron_refused_requests", "Requests refused (429), because there was no place for them", refused);
}

fn kv_cache(app: &AppState, registry: &mut Registry) {
    let Some(kv_cache) = app.loaded().and_then(|serving| serving.engine.kv_cache()) else { return };
    for (name, help, tokens) in [
        ("zyron_kv_cache_used_tokens", "Tokens in the KV cache, of requests that run", kv_cache.used_tokens),
        (
            "zyron_kv_cache_kept_tokens",
            "Tokens in the KV cache, of past requests; given up when needed",
            kv_cache.kept_tokens,
        ),
        ("zyron_kv_cache_size_tokens", "Tokens that the KV cache has room for", kv_cache.size_tokens),
    ] {
        registry.register(name, help, ConstGauge::new(int(tokens as u64)));
    }
}

/// What every Prometheus client says of its process, under the same names.
fn process(registry: &mut Registry) {
    let Ok(pid) = sysinfo::get_current_pid() else { return };
    let mut system = System::new();
    let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
    let Some(process) = system.process(pid) else { return };
    let cpu = ConstCounter::new(float(process.accumulated_cpu_time()) / 1000.0);
    registry.register_with_unit("process_cpu", "CPU time used", Unit::Seconds, cpu);
    for (name, help, bytes) in [
        ("process_resident_memory", "Memory in use", process.memory()),
        ("process_virtual_memory", "Memory that is mapped", process.virtual_memory()),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(int(bytes)));
    }
    let start = ConstGauge::new(int(process.start_time()));
    registry.register_with_unit("process_start_time", "When it started, since 1970", Unit::Seconds, start);
    for (name, help, count) in [
        ("process_open_fds", "Files and connections that are open", process.open_files()),
        ("process_max_fds", "Files and connections that may be open", process.open_files_limit()),
    ] {
        if let Some(count) = count {
            registry.register(name, help, ConstGauge::new(int(count as u64)));
        }
    }
}

fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
