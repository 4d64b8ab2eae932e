// What the inventory of the orchestration tells of a report: where it is, and what each of its commands came to.
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { CommandState, ReportService, ReportState } from "../gen/warehouse/v1/command_services_pb.ts";
import type { SagaStore } from "./saga-store.ts";

const reportStates = {
	pending: ReportState.PENDING,
	done: ReportState.DONE,
	compensating: ReportState.COMPENSATING,
	compensated: ReportState.COMPENSATED,
	failed: ReportState.FAILED,
};

const commandStates = {
	pending: CommandState.PENDING,
	done: CommandState.DONE,
	failed: CommandState.FAILED,
	dropped: CommandState.DROPPED,
};

export function reportRoutes(store: SagaStore): (router: ConnectRouter) => void {
	return (router) => {
		router.service(ReportService, {
			getReport({ reportId }) {
				const saga = store.find(reportId);
				if (saga === undefined) throw new ConnectError(`no report ${reportId}`, Code.NotFound);
				const commands = store
					.commands(saga.seq)
					.map(({ name, state, attempts, error }) => ({ name, state: commandStates[state], attempts, error }));
				return { state: reportStates[saga.state], commands };
			},
		});
	};
}
